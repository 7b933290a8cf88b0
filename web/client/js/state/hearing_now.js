/** What is true now of whom one listens to, read from the state; and the sentences for it. */

import { troubleText } from "../words/errors.js";
import { listening as words } from "../words/listening.js";
import { hearing, isCurrent, isModelMissing, recordingOf } from "./heard.js";
import { hasNetwork } from "./reached.js";

/** @typedef {import("./types.js").Status} Status */

/** What is heard of somebody and why, from what is in force now. @param {import("./types.js").State} state @param {string} name */
export function hearingNow(state, name) {
  return hearing(state.listening, name, statusNow(state, name), hasNetwork());
}

/** The status, while it is known to be in force. @param {import("./types.js").State} state @param {string} name @returns {Status | undefined} */
export function statusNow({ statuses, clocks, lost, listening, online }, name) {
  if (online === false) return undefined; // the socket of the broadcast may not have been open yet, and so is not lost
  const isCutOff = listening.name === name && listening.phase === "reconnecting" && listening.retry !== null;
  if (isCutOff) return undefined; // its socket may not have noticed yet
  return isCurrent(clocks[name], lost[name]) ? statuses[name] : undefined;
}

/** The age of the status in s. @param {import("./types.js").State} state @param {string} name */
export function statusAge({ clocks }, name) {
  return (performance.now() - (clocks[name] ?? performance.now())) / 1000;
}

/** The sentence about what is heard, without the seconds that count on; "" while nobody is listened to. @param {import("./types.js").State} state @param {string} name @param {number} [waited_s] */
export function hearingText(state, name, waited_s) {
  const heard = hearingNow(state, name);
  const status = state.statuses[name];
  if (heard === "off") return "";
  return words.hearing(heard, name, { ...(waited_s === undefined ? {} : { waited_s }), denoiser: status?.denoise.denoiser ?? "", modelMissing: isModelMissing(status) });
}

/** The sentence about the recording; "" where it is not known. @param {import("./types.js").State} state @param {string} name */
export function recordingText(state, name) {
  const recorded = recordingOf(statusNow(state, name), statusAge(state, name));
  return recorded === null ? "" : words.recording[recorded];
}

/** Why listening has ended by itself. @param {import("./types.js").Trouble} trouble @param {string} name @param {boolean} [byLink] */
export function endText(trouble, name, byLink = false) {
  if (trouble.code === "link_ended" || (byLink && ["not_signed_in", "not_friends"].includes(trouble.code))) return words.linkEnded;
  return trouble.code === "not_friends" ? words.notFriends(name) : troubleText(trouble);
}
