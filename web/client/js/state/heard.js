/** What a listener hears now, and why: computed from the server's status and the state of the connection, never from what was pressed last. Pure. */

/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").Listening} Listening */

/**
 * @typedef {"off" | "connecting" | "no_network" | "server_away" | "no_sound" | "dropped" | "stopped" | "waiting" | "parked" | "no_autoplay" | "muted" | "muted_here" | "no_volume" | "chosen" | "turned_off" | "starting"
 *   | "no_room" | "failed" | "bypassed" | "meanwhile" | "passed_on" | "clean" | "unknown"} Hearing
 */

/** The hearings in which sound is heard, and which variant that is. @type {Partial<Record<Hearing, "clean" | "raw">>} */
const SOUNDS = { chosen: "raw", turned_off: "raw", starting: "raw", no_room: "raw", failed: "raw", bypassed: "raw", passed_on: "raw", meanwhile: "clean", clean: "clean" };

/** It is at work and takes nothing out. */
const NO_DENOISER = "passthrough";

/** A recording is listed this long after the first packet at the latest; its first packets are kept meanwhile. */
const RECORDING_BEGINS_S = 2;

/**
 * What is heard of this person, and why. "off": nobody listens to them here. "no_network", "server_away", "no_sound" and "dropped" are
 * a connection that is being made again, "stopped", "waiting" and "parked" a broadcaster who is not there, "unknown" sound of which the server does not say what it is.
 * @param {Listening} listening @param {string} name @param {Status | undefined} status @param {boolean} network whether the browser has one, as it believes @returns {Hearing}
 */
export function hearing(listening, name, status, network) {
  if (listening.phase === "off" || listening.name !== name) return "off";
  if (listening.phase !== "on") return missing(listening, network || Boolean(status));
  if (status && !status.live) return "waiting";
  if (status?.state === "parked") return "parked";
  if (listening.trouble?.code === "no_autoplay") return "no_autoplay";
  if (status?.muted) return "muted";
  if (listening.muted) return "muted_here";
  if (listening.volume === 0) return "no_volume";
  if (listening.variant === "original") return "chosen";
  return status ? cleaning(status) : "unknown";
}

/** @param {Listening} listening @param {boolean} network @returns {Hearing} */
function missing({ phase, retry, stopped }, network) {
  if (!network) return "no_network";
  if (phase === "waiting") return stopped ? "stopped" : "waiting";
  if (retry === "no_udp" || retry === "no_dtls") return "no_sound";
  if (retry) return "server_away";
  return phase === "connecting" ? "connecting" : "dropped";
}

/** What listeners of `auto` are sent. @param {Status} status @returns {Hearing} */
function cleaning({ denoise }) {
  if (denoise.state === "active" && denoise.denoiser === NO_DENOISER) return "passed_on";
  if (denoise.state === "active") return denoise.reason ? "meanwhile" : "clean";
  if (denoise.state === "off") return "turned_off";
  if (denoise.state === "starting") return "starting";
  if (denoise.reason === "server_busy" || denoise.reason === "too_slow") return "no_room";
  return denoise.reason === "worker_failed" ? "failed" : "bypassed";
}

/** Which variant is heard; null where nothing is, or where it is not known which. @param {Hearing} hearing @returns {"clean" | "raw" | null} */
export const soundOf = (hearing) => SOUNDS[hearing] ?? null;

/** What listeners of `auto` hear of a broadcast; null where it is silent or not known. @param {Status | undefined} status in force @returns {"clean" | "raw" | null} */
export function offered(status) {
  return status?.state === "live" && !status.muted ? soundOf(cleaning(status)) : null;
}

/** Whether the sound is cleaned by less than what was asked for because its weights are not there yet. @param {Status | undefined} status */
export function isModelMissing(status) {
  return Boolean(status?.denoise.reason && /weights|fetch|prepar/.test(status.denoise.reason));
}

/**
 * Whether the status is in force: it is not while the socket that would tell changes is lost, and another server may be there by now.
 * @param {number | undefined} told when the status came, in ms @param {number | undefined} lost when the socket was lost
 */
export function isCurrent(told, lost) {
  return told !== undefined && (lost === undefined || told > lost);
}

/**
 * What may be said of the recording: "on", "off" (turned off), "full" (no room on the disk), "failed", or null where it is not known or nothing is on air.
 * @param {Status | undefined} status in force @param {number} age_s how old the status is @returns {"on" | "off" | "full" | "failed" | null}
 */
export function recordingOf(status, age_s) {
  if (!status?.live || status.state !== "live" || !status.recording) return null;
  const { id, failed } = status.recording;
  if (failed) return failed === "storage_full" ? "full" : "failed";
  if (id !== null) return "on";
  return status.duration_s + age_s < RECORDING_BEGINS_S ? null : "off";
}

/**
 * How long after its cue a moment is heard here, in ms: both come from the server, and the sound is held there and in this browser.
 * @param {readonly import("../rtc/latency.js").Part[]} parts of hearingParts()
 */
export function cueDelay(parts) {
  return parts.reduce((sum, { name, ms }) => (name === "network" ? sum : sum + ms), 0);
}
