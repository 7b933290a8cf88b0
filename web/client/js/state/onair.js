/** What friends get from the own broadcast and why, whether it is recorded, and what it takes in time: computed from the server's status and the connection, never from what was pressed. Pure. */

import { listenerNames } from "../page/format.js";
import { sendingParts } from "../rtc/latency.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").OwnBroadcast} OwnBroadcast */
/** @typedef {import("./types.js").State} State */

/**
 * Where the own broadcast comes from: this page (`connecting`, `here`, `dropped`, `stopping`), another tab or device (`elsewhere`), nowhere
 * although it goes on (`waiting`), or there is none (`off`).
 * @typedef {"connecting" | "here" | "dropped" | "stopping" | "elsewhere" | "waiting" | "off"} Where
 *
 * @typedef {"not_live" | "away" | "dropped" | "waiting" | "muted" | "no_microphone" | "switched_off" | "starting" | "busy" | "failed" | "preparing" | "no_denoiser" | "cleaned" | "until" | "no_room"} Why
 * @typedef {{what: "nothing" | "silence" | "raw" | "clean", why: Why, denoiser: string, wanted: string}} Gets
 * @typedef {"live" | "connecting" | "waiting" | "reconnecting" | "stopping" | "offline"} Sign   the word beside the name; only `live` is on air
 * @typedef {"will" | "will_not" | "on" | "holds" | "off" | "away" | "full" | "failed" | "unknown"} Recorded
 * @typedef {"trouble" | "note" | "asking" | "connecting" | "unheard" | "stopping" | "dropped" | "away" | "muted" | "no_microphone" | "silent" | "other_microphone" | "heard" | "heard_by_more" | "live" | "steady_removed" | "steady_kept" | "preview" | "off"} Message
 *
 * @typedef {object} OnAir
 * @property {Where} where
 * @property {boolean} away            the server does not answer
 * @property {boolean} muted           the server silences the broadcast, or this page its microphone
 * @property {import("./types.js").Trouble | null} trouble   what is wrong now
 * @property {Message} message
 * @property {Gets} gets
 * @property {Sign} sign
 * @property {boolean} microphone      Start can work: no microphone is known to be missing or refused
 * @property {Recorded} recorded
 * @property {string[]} names          of the listeners
 * @property {string} substitute       the microphone that is used in place of one that is gone
 */

/** States of a broadcast that goes on without this page: after a reload, or from another device. */
const STILL = new Set(["live", "parked", "waiting"]);
/** Without a word from the server for this long, and without a socket, it does not answer. Polling asks more often. */
export const SILENT_FOR_MS = 5000;
/** The row of a recording is written within this time; its files begin with the first packet. */
const OPENS_WITHIN_S = 5;
/** Without a microphone there is nothing to send. */
const NO_MICROPHONE = new Set(["insecure", "refused", "no_microphone", "busy_microphone", "unplugged"]);
/** The denoiser that serves unasked where its weights are. */
const UNASKED = "deepfilternet3";
/** A fallback's reason that tells of a full server and not of missing weights. */
const NO_ROOM = "server_busy";

/** @param {OwnBroadcast} broadcast @param {Status | undefined} status @returns {Where} */
export function whereabouts({ phase }, status) {
  if (phase === "live") return "here";
  if (phase === "connecting") return "connecting";
  if (phase === "reconnecting") return "dropped";
  if (phase === "stopping") return "stopping";
  if (!status?.broadcast || !STILL.has(status.state)) return "off";
  return status.state === "live" ? "elsewhere" : "waiting";
}

/** Whether the server does not answer. A page without WebSockets asks by HTTP, and has a fresh status. @param {boolean} online the presence socket is open @param {number} age_ms of the own status */
export function isAway(online, age_ms) {
  return !online && age_ms > SILENT_FOR_MS;
}

/** What is still wrong. @param {OwnBroadcast} broadcast @param {Where} where */
export function troubleNow({ trouble }, where) {
  if (!trouble) return null;
  if (trouble.code === "taken_over" && where !== "elsewhere") return null; // the other one has stopped, or this page has taken over again
  if (trouble.code === "ended" && where !== "off") return null;
  return trouble;
}

/** @param {Where} where @param {boolean} away @param {boolean} muted @param {OwnBroadcast} broadcast @param {Status | undefined} status @returns {Gets} */
function friendsGet(where, away, muted, broadcast, status) {
  const denoiser = status?.denoise.denoiser ?? "";
  const wanted = broadcast.denoiser || UNASKED;
  /** @param {Gets["what"]} what @param {Why} why */
  const so = (what, why) => ({ what, why, denoiser, wanted });
  if (where === "off" || where === "connecting" || where === "stopping") return so("nothing", "not_live");
  if (away) return so("nothing", "away");
  if (where === "dropped") return so("nothing", "dropped");
  if (!status?.live) return so("nothing", "not_live");
  if (status.state !== "live") return so("nothing", "waiting");
  if (muted) return so("silence", "muted");
  if (where === "here" && broadcast.trouble?.code === "unplugged") return so("silence", "no_microphone");
  const { state, reason } = status.denoise;
  if (!status.denoise.enabled || state === "off") return so("raw", "switched_off");
  if (state === "starting") return so("raw", "starting");
  if (state === "bypassed") return so("raw", reason === "worker_failed" ? "failed" : reason === NO_ROOM || reason === "too_slow" ? "busy" : "preparing");
  if (denoiser === "passthrough") return so("raw", "no_denoiser");
  if (!reason || wanted === denoiser) return so("clean", "cleaned");
  return so("clean", reason === NO_ROOM ? "no_room" : "until");
}

/** What stands beside the name: LIVE only while what is said now is sent on. @param {Where} where @param {boolean} away @param {Gets} gets @param {Status | undefined} status @returns {Sign} */
function signOf(where, away, gets, status) {
  if (where === "off") return "offline";
  if (where === "stopping") return "stopping";
  if (away || where === "dropped") return "reconnecting";
  if (where === "connecting") return status?.state === "live" ? "live" : "connecting"; // another one still sends
  if (gets.what !== "nothing") return "live";
  return status?.live ? "waiting" : "connecting";
}

/** @param {Where} where @param {boolean} away @param {OwnBroadcast} broadcast @param {Status | undefined} status @param {number} age_ms @returns {Recorded} */
export function recordedNow(where, away, broadcast, status, age_ms) {
  const { trouble } = broadcast;
  if (where === "stopping") return "unknown";
  if (where === "off") return away || (trouble && trouble.code !== "taken_over") ? "unknown" : broadcast.record ? "will" : "will_not";
  const opening = (status?.duration_s ?? 0) < OPENS_WITHIN_S;
  const none = status?.recording?.id == null;
  if (away) return none && (!opening || !broadcast.record) ? "off" : "away"; // a row that was being written is no row yet
  if (!status?.live) return broadcast.record ? "will" : "will_not";
  if (status.recording?.failed) return status.recording.failed === "storage_full" ? "full" : "failed";
  if (!none) return where !== "dropped" && status.state === "live" ? "on" : "holds";
  if (status.duration_s + age_ms / 1000 >= OPENS_WITHIN_S) return "off";
  if (where !== "here") return "unknown";
  return broadcast.record ? "on" : "off"; // its row is being written, its files have begun
}

/** Whether it is known that there is nothing to send. @param {OwnBroadcast} broadcast */
function isWithoutMicrophone({ phase, trouble }) {
  return phase === "idle" && trouble !== null && NO_MICROPHONE.has(trouble.code);
}

/** @param {OwnBroadcast} broadcast @param {Status | undefined} status @param {Pick<OnAir, "where" | "away" | "muted" | "trouble" | "names" | "substitute">} facts @returns {Message} */
function messageNow(broadcast, status, { where, away, muted, trouble, names, substitute }) {
  if (where === "stopping") return "stopping";
  if (where === "here" && trouble?.code === "unplugged") return "no_microphone";
  if (trouble && trouble.code !== "taken_over") return "trouble";
  if (broadcast.phase === "asking") return "asking";
  if (where === "connecting") return "connecting";
  if (away) return "away";
  if (where === "dropped") return "dropped";
  if (where === "elsewhere" || where === "waiting") return "note";
  if (where === "here" && status?.state !== "live") return status?.live ? "unheard" : status?.state === "waiting" ? "connecting" : "note";
  if (where === "here" && muted) return "muted";
  if (broadcast.silent && broadcast.phase !== "idle") return "silent";
  if (substitute) return "other_microphone";
  if (where === "off") return previewMessage(broadcast);
  return names.length === 1 ? "heard" : names.length ? "heard_by_more" : "live";
}

/** @param {OwnBroadcast} broadcast @returns {Message} */
function previewMessage({ phase, steady, profile }) {
  if (phase !== "preview") return "off";
  if (!steady) return "preview";
  return profile === "asis" ? "steady_kept" : "steady_removed";
}

/**
 * All that the studio says.
 * @param {Pick<State, "broadcast" | "online">} state @param {Status | undefined} status of the own broadcast @param {number} [age_ms] of that status
 * @returns {OnAir}
 */
export function onAir({ broadcast, online }, status, age_ms = 0) {
  const where = whereabouts(broadcast, status);
  const away = isAway(online, age_ms);
  const muted = Boolean(status?.live && status.muted) || ((where === "here" || where === "dropped") && broadcast.muted);
  const gets = friendsGet(where, away, muted, broadcast, status);
  const facts = {
    where, away, muted, gets,
    trouble: troubleNow(broadcast, where),
    sign: signOf(where, away, gets, status),
    microphone: !isWithoutMicrophone(broadcast),
    recorded: recordedNow(where, away, broadcast, status, age_ms),
    names: away ? [] : listenerNames(status?.listeners ?? 0, status?.listener_names ?? []),
    substitute: broadcast.substitute,
  };
  return { ...facts, message: messageNow(broadcast, status, facts) };
}

/** The delays from the microphone until the server sends, as far as they are measured now. @param {OnAir} facts @param {OwnBroadcast} broadcast @param {Status | undefined} status */
export function delays({ where, gets }, { packet_ms, network_ms }, status) {
  if (!status?.live || gets.what === "nothing" || gets.what === "silence") return []; // nothing is sent that takes this time
  return where === "here" ? sendingParts(status, network_ms, packet_ms) : sendingParts(status, null);
}

/** The limit in force: what was chosen, or what suits the profile. More attenuation than 12 dB damages music. @param {Pick<OwnBroadcast, "strength_db" | "profile">} broadcast @returns {number | null} dB, null: none */
export function strengthOf({ strength_db, profile }) {
  return strength_db === undefined ? (profile === "music" ? 12 : null) : strength_db;
}
