/** Playing recordings: two media elements, one a variant, swapped with a short fade. Events: `change` (read `playing`). */

import { audioUrl } from "../server/api.js";

/** @typedef {import("./types.js").Playing} Playing */
/** @typedef {import("./types.js").Recording} Recording */
/** @typedef {"denoised" | "original"} Variant */

const FADE_MS = 20;
const FADE_STEPS = 4;
/** Further apart than this, a swap would be heard as a jump. */
const APART_S = 0.015;
const TICK_MS = 100;

/** @returns {Playing} */
export function quietPlayer() {
  return { recording: null, playing: false, variant: "denoised", position_s: 0, speed: 1, trouble: null };
}

export class Player extends EventTarget {
  constructor() {
    super();
    /** @type {Playing} */
    this.playing = quietPlayer();
    /** @type {Partial<Record<Variant, HTMLAudioElement>>} */
    this.voices = {};
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.ticking = undefined;
    this.format = new Audio().canPlayType('audio/ogg; codecs="opus"') ? "opus" : "wav";
  }

  /** Put a recording in, or take it out with null. @param {Recording | null} recording @param {number} [at_s] */
  load(recording, at_s = 0) {
    this.#drop();
    if (!recording) return this.#set(quietPlayer());
    const variant = recording.variants.includes(this.playing.variant) ? this.playing.variant : /** @type {Variant} */ (recording.variants[0] ?? "original");
    this.#set({ recording, variant, position_s: at_s, playing: false, trouble: null });
    for (const each of /** @type {Variant[]} */ (recording.variants)) this.#voice(recording, each, at_s);
  }

  /** @param {Recording} recording @param {number} [at_s] */
  async toggle(recording, at_s) {
    if (this.playing.recording?.id !== recording.id) this.load(recording, at_s);
    if (this.playing.playing) return this.pause();
    if (this.playing.position_s >= recording.duration_s - 0.05) this.seek(0);
    this.#set({ playing: true, trouble: null });
    clearInterval(this.ticking);
    this.ticking = setInterval(() => this.#tick(), TICK_MS);
    const results = await Promise.allSettled(Object.values(this.voices).map((voice) => voice.play()));
    const refused = results.find((result) => result.status === "rejected" && result.reason?.name === "NotAllowedError");
    if (refused) this.pause();
  }

  pause() {
    clearInterval(this.ticking);
    for (const voice of Object.values(this.voices)) voice.pause();
    this.#set({ playing: false });
  }

  /** @param {number} at_s */
  seek(at_s) {
    const to = Math.min(Math.max(0, at_s), this.playing.recording?.duration_s ?? 0);
    for (const voice of Object.values(this.voices)) voice.currentTime = to;
    this.#set({ position_s: to });
  }

  /** @param {number} speed 1 to 2 */
  setSpeed(speed) {
    for (const voice of Object.values(this.voices)) voice.playbackRate = speed;
    this.#set({ speed });
  }

  /** The other variant, at the same place. @param {Variant} variant */
  swap(variant) {
    const from = this.voices[this.playing.variant];
    const to = this.voices[variant];
    if (!to || variant === this.playing.variant) return;
    if (from && Math.abs(from.currentTime - to.currentTime) > APART_S) to.currentTime = from.currentTime;
    this.#set({ variant });
    fade(from, to);
  }

  /** @param {Recording} recording @param {Variant} variant @param {number} at_s */
  #voice(recording, variant, at_s) {
    const voice = new Audio(audioUrl(recording.id, variant, this.format));
    voice.preload = "auto";
    voice.playbackRate = this.playing.speed;
    if (at_s) voice.currentTime = at_s;
    const heard = variant === this.playing.variant;
    voice.volume = heard ? 1 : 0;
    voice.muted = !heard;
    voice.addEventListener("error", () => this.#failed(recording, variant, voice));
    voice.addEventListener("ended", () => {
      if (variant === this.playing.variant) this.#finished();
    });
    this.voices[variant] = voice;
  }

  /** Ogg that this browser cannot read after all: WAV every browser can. @param {Recording} recording @param {Variant} variant @param {HTMLAudioElement} voice */
  #failed(recording, variant, voice) {
    if (this.voices[variant] !== voice) return;
    if (voice.src.includes("format=wav")) {
      this.pause();
      return this.#set({ trouble: { code: "unplayable", detail: "" } });
    }
    this.format = "wav";
    voice.src = audioUrl(recording.id, variant, "wav");
    voice.currentTime = this.playing.position_s;
    if (this.playing.playing) voice.play().catch(() => undefined); // its own error event says more
  }

  #finished() {
    this.pause();
    this.#set({ position_s: this.playing.recording?.duration_s ?? 0 });
  }

  #tick() {
    const heard = this.voices[this.playing.variant];
    if (!heard) return;
    for (const voice of Object.values(this.voices)) {
      if (voice !== heard && !voice.seeking && Math.abs(voice.currentTime - heard.currentTime) > APART_S * 4) voice.currentTime = heard.currentTime;
    }
    this.#set({ position_s: heard.currentTime });
  }

  #drop() {
    clearInterval(this.ticking);
    for (const voice of Object.values(this.voices)) {
      voice.pause();
      voice.removeAttribute("src");
      voice.load();
    }
    this.voices = {};
  }

  /** @param {Partial<Playing>} change */
  #set(change) {
    this.playing = { ...this.playing, ...change };
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {HTMLAudioElement | undefined} from @param {HTMLAudioElement} to */
function fade(from, to) {
  let step = 0;
  to.muted = false;
  const timer = setInterval(() => {
    step += 1;
    to.volume = step / FADE_STEPS;
    if (from) from.volume = 1 - step / FADE_STEPS;
    if (step < FADE_STEPS) return;
    clearInterval(timer);
    if (from) from.muted = true;
  }, FADE_MS / FADE_STEPS);
}
