/** What the page says to the broadcaster, in the studio and in Sound details. Whole sentences only; the facts come from state/onair.js. */

import { capitalised, denoiserName, listenerNames } from "../page/format.js";
import { locale } from "./units.js";

/** @typedef {import("../state/onair.js").OnAir} OnAir */
/** @typedef {import("../state/types.js").DenoiserRow} DenoiserRow */
/** @typedef {import("../state/types.js").Profile} Profile */

/** The delay of listeners when only the quickest denoiser has run. */
const QUICKEST_HELD_MS = 20;

/** @param {number} value */
const whole = (value) => new Intl.NumberFormat(locale(), { maximumFractionDigits: 0 }).format(value);

/** The message under the ribbon. @type {Record<OnAir["message"], (facts: OnAir) => string>} */
const MESSAGES = {
  trouble: () => "", // words of the trouble itself
  note: () => "",
  asking: () => "The browser asks whether the microphone may be used.",
  connecting: () => "Connecting.",
  unheard: () => "Your sound does not arrive at the server.",
  stopping: () => "Stopping.",
  dropped: ({ recorded }) => (recorded === "holds" ? "Your connection dropped. Trying again; the recording goes on." : "Your connection dropped. Trying again."),
  away: () => "The server does not answer. Trying again.",
  muted: () => "You are muted.",
  no_microphone: () => "The microphone was unplugged. Friends hear nothing until you plug it in again or choose another one.",
  silent: () => "We hear nothing. Is it muted on the headset?",
  other_microphone: ({ substitute }) => `The microphone is gone. “${substitute}” is used now.`,
  heard: ({ names }) => `${capitalised(names[0] ?? "")} can hear you.`,
  heard_by_more: () => "Your friends can hear you.",
  live: () => "You are on air.",
  steady_removed: () => "Steady noise heard. It will be removed.",
  steady_kept: () => "Steady noise heard. It will be kept.",
  preview: () => "Only you see this. Nothing is sent yet.",
  off: () => "Your microphone is off.",
};

/** What friends get, and why. @type {Record<OnAir["gets"]["why"], (gets: OnAir["gets"]) => string>} */
const GETS = {
  not_live: () => "",
  away: () => "Friends hear nothing until the server is back.",
  dropped: () => "Friends wait until you are connected again.",
  waiting: () => "Friends wait: nothing comes from you.",
  muted: () => "Friends hear silence.",
  no_microphone: () => "Friends hear silence.",
  switched_off: () => "Friends hear you raw: Denoise is off.",
  starting: () => "Friends hear you raw until Denoise has started.",
  busy: () => "Friends hear you raw for now: the server has no room to clean.",
  failed: () => "Friends hear you raw: cleaning has failed. Turn Denoise off and on to try again.",
  preparing: () => "Friends hear you raw until cleaning is ready.",
  no_denoiser: () => "Friends hear you raw: no denoiser is chosen.",
  cleaned: ({ denoiser }) => `Friends hear you clean, by ${denoiserName(denoiser)}.`,
  until: ({ denoiser, wanted }) => `Friends hear you clean, by ${denoiserName(denoiser)} until ${denoiserName(wanted)} is there.`,
  no_room: ({ denoiser }) => `Friends hear you clean, by ${denoiserName(denoiser)}: the server has no room for the one you chose.`,
};

/** @type {Record<OnAir["recorded"], string>} */
const RECORDED = {
  will: "Your broadcast will be recorded.",
  will_not: "Your broadcast will not be recorded.",
  on: "This is recorded.",
  holds: "",
  off: "This is not recorded.",
  away: "Not recorded until the server is back.",
  full: "Not recorded any more: the disk of the server is full.",
  failed: "Not recorded any more: the server cannot write the recording.",
  unknown: "",
};

/** Beside the name. @type {Record<OnAir["sign"], string>} */
const SIGNS = { live: "LIVE", connecting: "Connecting", waiting: "Nobody hears you", reconnecting: "Reconnecting", stopping: "Stopping", offline: "Offline" };

export const broadcasting = {
  /** @param {OnAir} facts */
  message: (facts) => MESSAGES[facts.message](facts),
  /** @param {OnAir} facts */
  gets: (facts) => GETS[facts.gets.why](facts.gets),
  /** @param {OnAir} facts */
  recorded: (facts) => RECORDED[facts.recorded],
  ribbon: "Your sound: what the microphone hears, and what is left of it",
  ribbonBroken: "A dashed line: no sound gets through",
  title: "Your page",
  recordings: "Recordings",
  latestRecordings: "Your latest recordings",
  signs: SIGNS,
  mutedMark: "Muted",
  timeOnAir: "Time on air",
  timeSinceStart: "Time since the start",
  /** @param {string} time @param {boolean} live */
  since: (time, live) => (live ? `since ${time}` : `started ${time}`),
  /** @param {number} count @param {readonly string[] | null} names */
  listeners: (count, names) => (!count ? "Nobody is listening yet." : names?.length ? `${whole(count)} listening: ${listenerNames(count, names).join(", ")}` : `${whole(count)} listening`),
  unheard: "Nobody hears you now.",
  /** While nothing comes from the broadcaster. @param {readonly string[]} names */
  waiting: (names) => (names.length ? `Nobody hears you now. Waiting for you: ${names.join(", ")}` : "Nobody hears you now."),
  stopped: "You are off air.",
  stoppedRecorded: "You are off air. The recording is in your list.",
  goOn: "Go on",
  recordingEnded: "Recording has ended. What was recorded is in your list.",
  noRecordings: "This server makes no recordings.",
};

export const still = {
  label: "Still live",
  live: "You are still live.",
  muted: "You are still live, and muted.",
  takenOver: "Another tab or device has taken over. Your friends hear that one.",
  takenOverMuted: "Another tab or device has taken over, and is muted.",
  open: "Your broadcast is still open.",
  openMuted: "Your broadcast is still open, and muted.",
  away: "You were live when the server last answered.",
  awayWhy: "Whether you still are is known when it is back.",
  elsewhere: "Another tab or device sends. Resume takes over here; your friends hear no difference.",
  back: "Resume takes the broadcast back to this page.",
  waiting: "Resume goes on in the same broadcast.",
  waitingRecorded: "Resume goes on in the same broadcast and the same recording.",
  resume: "Resume",
  unmute: "Unmute",
};

export const setup = {
  kind: "What do you send?",
  /** @type {Record<Profile, string>} */
  profiles: { voice: "Voice", music: "Music", asis: "As it is" },
  /** @type {Record<Profile, string>} */
  explain: { voice: "Everything but your voice is taken out.", music: "Noise is taken down a little; instruments stay. Stereo where it is heard raw.", asis: "Nothing is taken out." },
  microphone: "Microphone",
  /** @param {number} number */
  unnamed: (number) => `Microphone ${number}`,
  turnOn: "Turn the microphone on",
  again: "Try again",
  echo: "Cancel echo (when friends come out of loudspeakers)",
  level: "Level of the microphone",
  /** @param {number} dbfs */
  levelOf: (dbfs) => `${whole(dbfs)} dB`,
  titleField: "Title",
  titleHint: "What is it about? (optional)",
  record: "Record",
  start: "Start Streaming",
  /** Beside Start, which does not work then, by the code of the trouble. @type {Record<string, string>} */
  without: {
    insecure: "Not from this address: it has no HTTPS.",
    refused: "Not without a microphone: it is not allowed.",
    no_microphone: "Not without a microphone: none is found.",
    busy_microphone: "Not without a microphone: it does not open.",
    unplugged: "Not without a microphone: it was unplugged.",
    away: "Not now: the server does not answer.",
  },
};

export const desk = {
  label: "On air",
  title: "Title",
  titleHint: "Give it a title",
  untitled: "No title",
  titleFixed: "The title can be changed while this is recorded.",
  denoise: "Denoise",
  mute: "Mute",
  stop: "Stop",
  stopLabel: "Stop Streaming",
  record: "Record",
  marks: "Chords and practice",
  practising: "Practice goes on.",
  practised: "Practice has ended.",
  /** @type {Record<string, string>} */
  practice: { started: "Practice began", ended: "Practice ended" },
};

export const hearing = {
  button: "Hear yourself",
  stop: "Stop listening to yourself",
  label: "Hear yourself",
  explain: "Speak for 5 seconds, then hear it raw and clean. Nobody else hears it.",
  connecting: "Connecting. Speak when the count begins.",
  /** @param {number} left_s */
  recording: (left_s) => `Speak now: ${left_s} s.`,
  raw: "This is you, raw.",
  clean: "This is you, clean.",
  done: "That was you: first raw, then clean.",
  uncleaned: "That was you, raw. It was not cleaned: the server has no room, or is not ready.",
  asis: "That was you, as it is. Nothing is taken out.",
  failed: "It did not work this time. Try again.",
  busy: "Others try their microphones now. Wait a little, then try again.",
};

export const sound = {
  title: "Sound details",
  strength: "Take noise down by at most",
  unit: "dB",
  denoiser: "Denoiser",
  /** @param {DenoiserRow} row */
  option: (row) => {
    const delay = `${denoiserName(row.name)}, ${whole(row.latency_ms)} ms`;
    return row.available ? delay : `${delay} (${missingText(row)})`;
  },
  /** @type {Record<string, string>} */
  states: { off: "Denoise is off.", starting: "Denoise is starting.", active: "Denoise is active.", bypassed: "Denoise is bypassed." },
  /** @type {Record<string, string>} */
  reasons: { too_slow: "The server was too slow.", server_busy: "The server has no room.", worker_failed: "It has failed three times.", no_weights: "Its weights are not there." },
  /** @param {{received: number, lost: number, concealed: number}} loss */
  loss: ({ received, lost, concealed }) => `${whole(lost)} of ${whole(received + lost)} packets lost on the way here, ${whole(concealed)} concealed.`,
  noSettings: "What the browser does to your microphone is shown here once it is on.",
};

/** What the browser reports that it does, which may differ from what was requested. @param {MediaTrackSettings | null} settings */
export function settingsText(settings) {
  if (!settings) return sound.noSettings;
  /** @param {unknown} value */
  const word = (value) => (value === true || typeof value === "string" ? "on" : value === false ? "off" : "not told");
  const rate = settings.sampleRate ? ` ${new Intl.NumberFormat(locale()).format(settings.sampleRate / 1000)} kHz.` : "";
  return `Your browser: noise suppression ${word(settings.noiseSuppression)}, gain control ${word(settings.autoGainControl)}, echo cancellation ${word(settings.echoCancellation)}.${rate}`;
}

/**
 * What choosing this denoiser changes; "" if there is nothing to say. The listeners' delay never gets shorter during a broadcast.
 * @param {string} name @param {number | null} held_ms the listeners' delay now, null while not on air
 */
export function denoiserText(name, held_ms = null) {
  if (name !== "deepfilternet3_ll") return "";
  const late = held_ms !== null && held_ms > QUICKEST_HELD_MS ? " Chosen while you are on air it cleans at once, and is quicker from your next start." : "";
  return `You are heard 20 ms sooner, and a little less clean than with DeepFilterNet 3, for about three times its work on the server.${late}`;
}

/** Why a denoiser is not available, and what the host can do. @param {DenoiserRow} row */
export function missingText(row) {
  return row.reason === "no weights" ? `no weights; the host gets them by run.py models fetch ${row.name}` : row.reason ?? "not there";
}

/** Says which denoiser is missing, and which one is used meanwhile. @param {readonly DenoiserRow[]} rows @param {boolean} [cleaned] @returns {string | null} */
export function modelText(rows, cleaned = true) {
  const wanted = rows.find((row) => row.name === "deepfilternet3");
  if (!wanted || wanted.available || !wanted.reason) return null;
  const serving = rows.find((row) => row.default && row.available) ?? rows.find((row) => row.available);
  const meanwhile = serving && cleaned ? ` ${denoiserName(serving.name)} cleans meanwhile.` : "";
  return `${denoiserName(wanted.name)}: ${missingText(wanted)}.${meanwhile}`;
}
