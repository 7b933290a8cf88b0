/** The displayed titles and dates of recordings. Pure. */

import { recordings as words } from "../words/recordings.js";

/** @typedef {import("../state/types.js").Recording} Recording */

/** @param {Recording} recording */
export function titleOf(recording) {
  return recording.title || dateOf(recording);
}

/** @param {Recording} recording */
export function dateOf(recording) {
  return words.date(recording.started_at);
}

/** "Ada is quiet. Last on air Tuesday, 42 min." @param {string} name @param {readonly Recording[] | undefined} recordings newest first; undefined = not known yet */
export function quietText(name, recordings) {
  const last = recordings?.find((recording) => recording.state !== "live");
  return words.quiet(name, last ?? null, recordings !== undefined);
}
