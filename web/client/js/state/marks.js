/** The chords and practice marks that a broadcast has so far, from the chapters of its recordings. Pure. */

import { isEarlierPart } from "./cleaning.js";

/** @typedef {import("./types.js").Chapter} Chapter */
/** @typedef {import("./types.js").Recording} Recording */
/** @typedef {import("./types.js").Status} Status */

/** A mark has the same time in the broadcast and in its recording, but for rounding. */
const SAME_S = 0.5;

/**
 * Oldest first, with their place in the broadcast.
 * @param {readonly Recording[]} recordings of the broadcaster @param {Status} status @param {readonly Chapter[]} told that have come meanwhile
 * @returns {Chapter[]}
 */
export function marksSoFar(recordings, status, told) {
  const since = Date.parse(status.since ?? "");
  const kept = recordings
    .filter((recording) => recording.id === status.recording?.id || isEarlierPart(recording, status))
    .flatMap(({ chapters, started_at }) => chapters.map((chapter) => ({ ...chapter, at_s: chapter.at_s + Math.max(0, Date.parse(started_at) - since) / 1000 })))
    .filter(({ kind, at_s }) => (kind === "chord" || kind === "practice") && Number.isFinite(at_s));
  const isKept = (/** @type {Chapter} */ mark) => kept.some(({ kind, text, at_s }) => kind === mark.kind && text === mark.text && Math.abs(at_s - mark.at_s) < SAME_S);
  return [...kept, ...told.filter((mark) => !isKept(mark))].sort((one, other) => one.at_s - other.at_s);
}
