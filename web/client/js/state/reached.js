/** Whether the server can be reached now, so that what it has told is still in force and what is pressed can be done. */

import { people as words } from "../words/people.js";

/** @typedef {import("./types.js").State} State */

/** Whether the browser believes to have a network. It is wrong at times, and a server on the same computer needs none: it only explains why none was reached. */
export const hasNetwork = () => globalThis.navigator?.onLine !== false;

/** @param {Pick<State, "online">} state */
export function isReached({ online }) {
  return online;
}

/** Why it cannot be reached; "" if it can. @param {Pick<State, "online">} state */
export function awayText(state) {
  if (isReached(state)) return "";
  return hasNetwork() ? words.away : words.noNetwork;
}
