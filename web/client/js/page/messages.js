/** The page's sentences for what goes wrong and what goes on: what happened, what is safe, what to do. Pure. */

import { called, denoiserName, sentence } from "./format.js";

/** @typedef {import("../state/types.js").Trouble} Trouble */
/** @typedef {import("../state/types.js").Air} Air */
/** @typedef {import("../state/types.js").Status} Status */

/** What listeners wait for where nothing but the quickest denoiser has been at work. */
const QUICKEST_HELD_MS = 20;

/** @type {Record<string, (trouble: Trouble) => string>} */
const TROUBLES = {
  insecure: () => "This address has no HTTPS, so the browser gives no microphone. Listening works. Open the https address of this server to talk.",
  refused: () => "The microphone is not allowed here. Allow it in the address bar of the browser, then try again.",
  no_microphone: () => "No microphone found. Plug one in, then try again.",
  busy_microphone: () => "The microphone does not open. Perhaps another program holds it. Close that, then try again.",
  unplugged: () => "The microphone was unplugged. Plug it in again or choose another one.",
  no_udp: (trouble) => `UDP ${trouble.port ?? 8081} is not open on the server. No sound gets through until it is. Whoever hosts this has to open that port.`,
  no_dtls: () => "The server was reached, but no safe connection could be made. Try again; if it stays so, tell whoever hosts this.",
  offline: () => "The server does not answer. What is recorded is safe. Check your network, then try again.",
  taken_over: () => "Another tab or device has taken over. Your friends hear that one.",
  ended: () => "The broadcast was ended. What was recorded is in your library.",
  draining: () => "The server is restarting. What is recorded is safe. Try again in a minute.",
  not_friends: () => "You are not friends, so this is not for you to hear.",
  not_live: () => "Nobody is on air there now.",
  not_signed_in: () => "You are signed out. Sign in again.",
  unplayable: () => "This browser cannot play the recording. Download it instead.",
  no_autoplay: () => "The browser waits for a click before it plays.",
  storage_full: () => "The disk of the server is full. Tell whoever hosts this. What is there can be heard.",
  database_busy: () => "The server is busy with its database. Try again in a moment.",
  database_away: () => "The server cannot use its database. Tell whoever hosts this.",
  bad_credentials: () => "Name or password is wrong.",
  too_many_attempts: () => "Too many attempts. Wait a minute, then try again.",
  username_taken: () => "That name is taken.",
};

/** @param {Trouble} trouble */
export function troubleText(trouble) {
  return TROUBLES[trouble.code]?.(trouble) ?? (trouble.detail || "Something went wrong. Nothing that was recorded is lost. Try again.");
}

/** Why the voice goes out as it is. @param {string | null} reason @param {number} listeners */
export function bypassText(reason, listeners) {
  const so = listeners ? "Friends hear you as you are." : "You go out as you are.";
  if (reason === "worker_failed") return `Denoising failed three times. ${so} Turn Denoise off and on to try again.`;
  if (reason === "server_busy" || reason === "too_slow") return `The server is busy. ${so}`;
  if (reason && /weights|fetch|prepar/.test(reason)) return `Denoising is being prepared. ${so}`;
  return `Denoising rests. ${so}`;
}

/** The same, as a listener is told. @param {string} name @param {string | null} reason */
export function uncleanedText(name, reason) {
  if (reason === "worker_failed") return `Denoising has failed. You hear ${name} uncleaned.`;
  if (reason === "server_busy" || reason === "too_slow") return `The server is busy. You hear ${name} uncleaned.`;
  return `You hear ${name} uncleaned for now.`;
}

/** The one sentence under the own ribbon: the worst first. @param {Air} air @param {Status | undefined} status @returns {string} */
export function airText(air, status) {
  if (air.trouble) return troubleText(air.trouble);
  if (air.phase === "asking") return "The browser asks whether the microphone may be used.";
  if (air.phase === "connecting") return "Connecting.";
  if (air.phase === "reconnecting") return "Your connection dropped. Trying again, still recording.";
  if (air.phase === "live" && air.muted) return "You are muted.";
  if (air.silent && air.phase !== "idle") return "We hear nothing. Is it muted on the headset?";
  if (air.phase === "live") return liveText(status);
  if (air.phase === "preview") return previewText(air);
  return "Your microphone is off.";
}

/** @param {Status | undefined} status */
function liveText(status) {
  if (status?.recording?.failed === "storage_full") return "The disk of the server is full. You are still on air, but no longer recorded.";
  if (status?.recording?.failed) return "The server cannot write the recording. You are still on air, but no longer recorded.";
  if (status?.denoise.state === "bypassed") return bypassText(status.denoise.reason, status.listeners);
  if (status?.denoise.state === "starting") return "Denoising starts.";
  const names = called(status?.listeners ?? 0, status?.listener_names ?? []);
  if (names.length === 1) return `${sentence(names[0] ?? "")} can hear you.`;
  return names.length ? "Your friends can hear you." : "You are on air.";
}

/** @param {Air} air */
function previewText(air) {
  if (!air.steady) return "Only you see this. Nothing is sent yet.";
  return air.profile === "asis" ? "Steady noise heard. It will be kept." : "Steady noise heard. It will be removed.";
}

/**
 * What choosing this denoiser means, where there is something to know; "" else. What listeners wait for never gets shorter while on air.
 * @param {string} name @param {number | null} held_ms what listeners wait for now, null while not on air
 */
export function denoiserText(name, held_ms = null) {
  if (name !== "deepfilternet3_ll") return "";
  const late = held_ms !== null && held_ms > QUICKEST_HELD_MS ? " Chosen while you are on air it cleans at once, and is quicker from your next start." : "";
  return `You are heard 20 ms sooner, and a little less clean than with DeepFilterNet 3, for about three times its work on the server.${late}`;
}

/** Why a denoiser cannot be had, and what the host does about it. @param {import("../state/types.js").DenoiserRow} row */
export function missingText(row) {
  return row.reason === "no weights" ? `no weights; the host gets them by run.py models fetch ${row.name}` : row.reason ?? "not there";
}

/** Which denoiser is missing, and what serves meanwhile, where anything does. @param {readonly import("../state/types.js").DenoiserRow[]} rows @param {boolean} [cleaned] @returns {string | null} */
export function modelText(rows, cleaned = true) {
  const wanted = rows.find((row) => row.name === "deepfilternet3");
  if (!wanted || wanted.available || !wanted.reason) return null;
  const serving = rows.find((row) => row.default && row.available) ?? rows.find((row) => row.available);
  const meanwhile = serving && cleaned ? ` ${denoiserName(serving.name)} cleans meanwhile.` : "";
  return `${denoiserName(wanted.name)}: ${missingText(wanted)}.${meanwhile}`;
}
