/** What a recording is called where it has no title. Pure. */

import { day, minute, sentence, span } from "./format.js";

/** @typedef {import("../state/types.js").Recording} Recording */

/** @param {Recording} recording */
export function titleOf(recording) {
  return recording.title || `${sentence(day(recording.started_at))}, ${minute(recording.started_at)}`;
}

/** @param {Recording} recording */
export function dateOf(recording) {
  return `${sentence(day(recording.started_at))}, ${minute(recording.started_at)}`;
}

/** "Ada is quiet. Last on air Tuesday, 42 min." @param {string} name @param {readonly Recording[] | undefined} recordings newest first; undefined = not known yet */
export function quietText(name, recordings) {
  if (!recordings) return `${name} is quiet.`;
  const last = recordings.find((recording) => recording.state !== "live");
  return last ? `${name} is quiet. Last on air ${day(last.started_at)}, ${span(last.duration_s)}.` : `${name} is quiet, and has not been on air yet.`;
}
