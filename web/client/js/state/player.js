/** Plays recordings with one media element per variant, switched by a short cross-fade. Events: `change` (read `playing`). */

import { asProblem, audioUrl, request } from "../server/api.js";
import { heardAt } from "./cleaning.js";

/** @typedef {import("./types.js").Playing} Playing */
/** @typedef {import("./types.js").Recording} Recording */
/** @typedef {"denoised" | "original"} Variant */

const FADE_MS = 20;
const FADE_STEPS = 4;
/** If the elements are further apart than this, switching is heard as a jump. */
const MAX_OFFSET_S = 0.015;
const TICK_MS = 100;

/** @returns {Playing} */
export function emptyPlayer() {
  return { recording: null, playing: false, variant: "denoised", heard: "clean", position_s: 0, speed: 1, trouble: null };
}

export class Player extends EventTarget {
  constructor() {
    super();
    /** @type {Playing} */
    this.playing = emptyPlayer();
    /** @type {Partial<Record<Variant, HTMLAudioElement>>} */
    this.elements = {};
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.ticking = undefined;
    this.format = new Audio().canPlayType('audio/ogg; codecs="opus"') ? "opus" : "wav";
  }

  /** Load a recording; null unloads. @param {Recording | null} recording @param {number} [at_s] */
  load(recording, at_s = 0) {
    this.#drop();
    if (!recording) return this.#set({ ...emptyPlayer(), speed: this.playing.speed });
    const variant = recording.variants.includes(this.playing.variant) ? this.playing.variant : /** @type {Variant} */ (recording.variants[0] ?? "original");
    this.#set({ recording, variant, position_s: at_s, playing: false, trouble: null });
    for (const each of /** @type {Variant[]} */ (recording.variants)) this.#addElement(recording, each, at_s);
  }

  /** Take in what has changed about the recording that is loaded, for example its title. @param {Recording} recording */
  renew(recording) {
    if (this.playing.recording?.id === recording.id && this.playing.recording !== recording) this.#set({ recording });
  }

  /** @param {Recording} recording @param {number} [at_s] */
  async toggle(recording, at_s) {
    if (this.playing.recording?.id !== recording.id) this.load(recording, at_s);
    else if (this.playing.trouble) this.load(recording, this.playing.position_s); // its elements have given up
    if (this.playing.playing) return this.pause();
    if (this.playing.position_s >= recording.duration_s - 0.05) this.seek(0);
    this.#set({ playing: true, trouble: null });
    clearInterval(this.ticking);
    this.ticking = setInterval(() => this.#tick(), TICK_MS);
    const results = await Promise.allSettled(Object.values(this.elements).map((element) => element.play()));
    const refused = results.find((result) => result.status === "rejected" && result.reason?.name === "NotAllowedError");
    if (refused) this.pause();
  }

  pause() {
    clearInterval(this.ticking);
    for (const element of Object.values(this.elements)) element.pause();
    this.#set({ playing: false });
  }

  /** @param {number} at_s */
  seek(at_s) {
    const to = Math.min(Math.max(0, at_s), this.playing.recording?.duration_s ?? 0);
    for (const element of Object.values(this.elements)) element.currentTime = to;
    this.#set({ position_s: to });
  }

  /** @param {number} speed 1 to 2 */
  setSpeed(speed) {
    for (const element of Object.values(this.elements)) element.playbackRate = speed;
    this.#set({ speed });
  }

  /** Switch to a variant at the same position. @param {Variant} variant */
  switchVariant(variant) {
    const from = this.elements[this.playing.variant];
    const to = this.elements[variant];
    if (!to || variant === this.playing.variant) return;
    if (from && Math.abs(from.currentTime - to.currentTime) > MAX_OFFSET_S) to.currentTime = from.currentTime;
    this.#set({ variant });
    fade(from, to);
  }

  /** @param {Recording} recording @param {Variant} variant @param {number} at_s */
  #addElement(recording, variant, at_s) {
    const element = new Audio(audioUrl(recording.id, variant, this.format));
    element.preload = "auto";
    element.playbackRate = this.playing.speed;
    if (at_s) element.currentTime = at_s;
    const audible = variant === this.playing.variant;
    element.volume = audible ? 1 : 0;
    element.muted = !audible;
    element.addEventListener("error", () => void this.#failed(recording, variant, element));
    element.addEventListener("ended", () => {
      if (variant === this.playing.variant) this.#finished();
    });
    this.elements[variant] = element;
  }

  /**
   * If the server refuses the sound or does not answer, say that. If the browser cannot play Ogg after all, load WAV, which every browser plays.
   * @param {Recording} recording @param {Variant} variant @param {HTMLAudioElement} element
   */
  async #failed(recording, variant, element) {
    const { src } = element;
    let trouble = null;
    try {
      await request(src, { headers: { Range: "bytes=0-0" } });
    } catch (error) {
      trouble = asProblem(error).trouble();
    }
    if (this.elements[variant] !== element || element.src !== src) return;
    if (trouble || src.includes("format=wav")) {
      this.pause();
      return this.#set({ trouble: trouble ?? { code: "unplayable", detail: "" } });
    }
    this.format = "wav";
    element.src = audioUrl(recording.id, variant, "wav");
    element.currentTime = this.playing.position_s;
    if (this.playing.playing) element.play().catch(() => undefined); // its error event is handled here
  }

  #finished() {
    this.pause();
    this.#set({ position_s: this.playing.recording?.duration_s ?? 0 });
  }

  #tick() {
    const audible = this.elements[this.playing.variant];
    if (!audible) return;
    for (const element of Object.values(this.elements)) {
      if (element !== audible && !element.seeking && Math.abs(element.currentTime - audible.currentTime) > MAX_OFFSET_S * 4) element.currentTime = audible.currentTime;
    }
    this.#set({ position_s: audible.currentTime });
  }

  #drop() {
    clearInterval(this.ticking);
    for (const element of Object.values(this.elements)) {
      element.pause();
      element.removeAttribute("src");
      element.load();
    }
    this.elements = {};
  }

  /** @param {Partial<Playing>} change */
  #set(change) {
    const now = { ...this.playing, ...change };
    this.playing = { ...now, heard: now.recording ? heardAt(now.recording, now.variant, now.position_s) : "clean" };
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
