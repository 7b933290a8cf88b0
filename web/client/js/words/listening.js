/** What people read about listening. Each entry is a whole sentence or label, so that another language can replace this file. Pure. */

import { denoiserName } from "../page/format.js";

/** @typedef {import("../state/heard.js").Hearing} Hearing */

/** @param {string} name @param {string} because */
const uncleaned = (name, because) => `${because} You hear ${name} raw for now.`;

/**
 * What is heard, and why.
 * @type {Record<Exclude<Hearing, "off" | "parked" | "meanwhile">, (name: string) => string>}
 */
const HEARINGS = {
  connecting: () => "Connecting.",
  no_network: (name) => `You have no network. You hear ${name} again when it is back.`,
  server_away: (name) => `The server does not answer. You hear ${name} again when it is back.`,
  no_sound: (name) => `The sound does not get through from the server. Trying again, until you hear ${name}.`,
  dropped: () => "Your connection dropped. Trying again.",
  stopped: (name) => `${name} has stopped. If ${name} goes on now, you hear it.`,
  waiting: (name) => `${name} is not on air. You hear ${name} as soon as that changes.`,
  no_autoplay: (name) => `The browser waits for a click before it plays ${name}.`,
  muted: (name) => `${name} is muted. There is nothing to hear until that ends.`,
  muted_here: (name) => `You have muted ${name} here. Stop and start listening to turn the sound on again.`,
  no_volume: (name) => `The volume of ${name} is 0, so you hear nothing.`,
  chosen: (name) => `You hear ${name} raw, as you have chosen.`,
  turned_off: (name) => `${name} has turned cleaning off. You hear ${name} raw.`,
  starting: (name) => uncleaned(name, "Cleaning starts."),
  no_room: (name) => uncleaned(name, "The server has no room to clean."),
  failed: (name) => uncleaned(name, "Cleaning has failed."),
  bypassed: (name) => uncleaned(name, "Cleaning rests."),
  passed_on: (name) => `${name} has chosen to take no noise out. You hear ${name} raw.`,
  clean: (name) => `You hear ${name}, cleaned.`,
  unknown: (name) => `You hear ${name}.`,
};

export const listening = {
  start: "Start Listening",
  stop: "Stop Listening",
  stopShort: "Stop",
  desk: "Listening",
  bar: "Going on now",
  choice: "What do you hear?",
  clean: "Clean",
  raw: "Raw",
  volume: "Volume",
  live: "LIVE",
  offline: "Offline",
  waitingBadge: "Waiting",
  reconnectingBadge: "Reconnecting",
  notKnown: "Not known",
  recordings: "Recordings",
  /** @param {string} name */
  recordingsOf: (name) => `Recordings of ${name}`,
  /** @param {string} name */
  ribbon: (name) => `The sound of ${name}`,
  /** @param {string} time */
  since: (time) => `since ${time}`,
  onAir: "You are on air",
  onAirMuted: "You are on air, and muted",
  onAirDropped: "Your connection dropped. Trying again.",
  stopStreaming: "Stop Streaming",
  marks: "Chord and practice",
  practising: "Practice",
  /** @param {string} chord */
  chord: (chord) => `Chord ${chord}`,

  /**
   * @param {Exclude<Hearing, "off">} hearing @param {string} name
   * @param {{waited_s?: number, denoiser?: string, modelMissing?: boolean}} [more] waited_s: how long a parked broadcaster is away
   */
  hearing(hearing, name, { waited_s, denoiser = "", modelMissing = false } = {}) {
    if (hearing === "parked") return waited_s === undefined ? `Waiting for ${name}…` : `Waiting for ${name}… ${Math.max(0, Math.round(waited_s))} s`;
    if (hearing !== "meanwhile") return HEARINGS[hearing](name);
    return modelMissing ? `You hear ${name}, cleaned by ${denoiserName(denoiser)} until the model is there.` : `You hear ${name}, cleaned by ${denoiserName(denoiser)} for now.`;
  },

  /** What the bar says while another page is shown. @param {Hearing} hearing @param {string} name */
  barText(hearing, name) {
    if (hearing === "waiting" || hearing === "stopped" || hearing === "parked") return `Waiting for ${name}`;
    if (hearing === "muted") return `${name} is muted`;
    if (hearing === "muted_here" || hearing === "no_volume") return `${name}: no sound here`;
    if (hearing === "no_autoplay") return `${name}: click to hear`;
    if (["connecting", "no_network", "server_away", "no_sound", "dropped"].includes(hearing)) return `Connecting to ${name}`;
    return `You hear ${name}`;
  },

  /** @type {Record<"on" | "off" | "full" | "failed", string>} */
  recording: {
    on: "This is recorded.",
    off: "This is not recorded.",
    full: "This is no longer recorded: the server's disk is full.",
    failed: "This is no longer recorded: the server cannot write it.",
  },

  /** @param {string} name @param {"clean" | "raw" | null} sound */
  talking: (name, sound) => `${name} is on air. Press Start Listening to hear.${sound === "clean" ? " The sound is cleaned." : sound === "raw" ? " The sound is raw for now." : ""}`,
  /** @param {string} name */
  mutedNow: (name) => `${name} is on air, and muted.`,
  /** @param {string} name */
  quietByLink: (name) => `${name} is not on air. Press Start Listening, and you hear ${name} as soon as that changes.`,
  /** @param {string} name */
  statusOld: (name) => `The server does not answer, so it is not known whether ${name} is on air.`,
  /** @param {string} name */
  ended: (name) => `${name} has stopped. You no longer listen.`,
  /** @param {string} name */
  notFriends: (name) => `You and ${name} are not friends, so you do not hear each other.`,
  linkEnded: "This link does not work any more. Ask for a new one.",
  linkLooking: "Looking who it is.",
  linkUnreachable: "The server does not answer. Trying again.",
  linkTitle: "Listen",

  friendship: "Friendship",
  ask: "Ask to be friends",
  accept: "Accept",
  unblock: "Unblock",
  remove: "Remove from friends",
  block: "Block",
  /** What is said to somebody who is no friend. @type {Record<string, (name: string) => string>} */
  relation: {
    none: (name) => `Only friends hear each other. ${name} will see that you ask.`,
    outgoing: (name) => `You have asked. As soon as ${name} accepts, this page opens by itself.`,
    incoming: (name) => `${name} asks to be friends.`,
    blocked: (name) => `You have blocked ${name}.`,
    nobody: () => "There is nobody of that name here.",
  },
  /** @param {string} name */
  removeAsked: (name) => `Remove ${name}?`,
  removeMeans: "You will not hear each other any more. Either of you can ask again.",
  removeYes: "Remove",
  /** @param {string} name */
  blockAsked: (name) => `Block ${name}?`,
  /** @param {string} name */
  blockMeans: (name) => `${name} can no longer hear or ask you, and is not told.`,
  blockYes: "Block",

  player: "Player",
  play: "Play",
  pause: "Pause",
  close: "Close",
  closePlayer: "Close the player",
  toRaw: "Hear raw",
  toClean: "Hear clean",
};

/** @type {Record<import("../rtc/latency.js").Part["name"], string>} */
const PARTS = { capture: "capture", network: "network", clean: "clean", held: "held", server: "server", play: "play" };

/** "73 ms: network 9 · clean 42 · play 22" @param {readonly import("../rtc/latency.js").Part[]} parts */
export function latencyText(parts) {
  const rounded = parts.map(({ name, ms }) => ({ name, ms: Math.max(1, Math.round(ms)) }));
  return `${rounded.reduce((sum, { ms }) => sum + ms, 0)} ms: ${rounded.map(({ name, ms }) => `${PARTS[name]} ${ms}`).join(" · ")}`;
}
