/** What of a recording was cleaned, what is heard at a moment of it, and what becomes of one that is still being made. Pure. */

/** @typedef {import("./types.js").Recording} Recording */
/** @typedef {import("./types.js").Status} Status */
/** @typedef {Recording["spans"][number]} Span */
/** @typedef {"clean" | "raw" | "gap"} Heard */
/**
 * @typedef {object} Cleaning
 * @property {"none" | "all" | "part"} extent   none: there is no clean version
 * @property {number} uncleaned_s   of the time in which there was sound
 * @property {number} share         of that time, uncleaned
 * @property {Span[]} uncleaned     in order
 * @property {Span[]} gaps          in order: nothing was received
 */

/** @param {Recording} recording @returns {Cleaning} */
export function cleaning({ denoised, denoised_share, duration_s, spans }) {
  const gaps = spans.filter((span) => span.kind === "gap");
  const uncleaned = spans.filter((span) => span.kind !== "gap");
  const sound_s = Math.max(0, duration_s - gaps.reduce((sum, gap) => sum + gap.to_s - gap.from_s, 0));
  const uncleaned_s = (1 - denoised_share) * sound_s;
  return { extent: !denoised ? "none" : uncleaned.length || denoised_share < 1 ? "part" : "all", uncleaned_s, share: 1 - denoised_share, uncleaned, gaps };
}

/** The stretch at this moment that is not cleaned or has no sound, if there is one. @param {Recording} recording @param {number} at_s @returns {Span | null} */
export function spanAt(recording, at_s) {
  return recording.spans.find(({ from_s, to_s }) => from_s <= at_s && at_s < to_s) ?? null;
}

/** What is heard of a variant at this moment. @param {Recording} recording @param {"denoised" | "original"} variant @param {number} at_s @returns {Heard} */
export function heardAt(recording, variant, at_s) {
  const kind = spanAt(recording, at_s)?.kind;
  if (kind === "gap") return "gap";
  return variant === "denoised" && recording.denoised && !kind ? "clean" : "raw";
}

/** What happens to a recording whose state is `live`. @typedef {"going" | "waiting" | "away" | "full" | "failed" | "closing" | "unknown"} Making */

/** @param {Recording} recording @param {Status | undefined} status of its broadcaster @param {boolean} online whether the server answers @returns {Making} */
export function making(recording, status, online) {
  if (!online) return "away";
  if (!status) return "unknown";
  if (!status.live || status.recording?.id !== recording.id) return status.recording?.failed ? stuck(status.recording.failed) : "closing";
  if (status.recording.failed) return stuck(status.recording.failed);
  return status.state === "parked" ? "waiting" : "going";
}

/** @param {string} failed @returns {Making} */
function stuck(failed) {
  return failed === "storage_full" ? "full" : "failed";
}

/** Whether this is an earlier part of what is on air now: recording was turned off after it. @param {Recording} recording @param {Status | undefined} status */
export function isEarlierPart(recording, status) {
  if (!status?.live || !status.since || recording.state === "live" || status.recording?.id === recording.id) return false;
  return Date.parse(recording.started_at) >= Date.parse(status.since) - 1000;
}

/** @typedef {"none" | "recorded" | "not_recorded" | "full" | "failed" | "waiting" | "away"} OwnNow */

/** Whether what the user says now is recorded. @param {Status | undefined} status the user's own @param {boolean} online @returns {OwnNow} */
export function ownNow(status, online) {
  if (!status?.live) return "none";
  if (!online) return "away";
  if (status.recording?.failed) return status.recording.failed === "storage_full" ? "full" : "failed";
  if (!status.recording?.id) return "not_recorded";
  return status.state === "parked" ? "waiting" : "recorded";
}
