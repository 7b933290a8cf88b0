/** Listening to one broadcast by WHEP. Events: `change` (read `ear`), `over` (the broadcast is gone). Owns its audio element, which is in no page. */

import { asProblem } from "../server/api.js";
import { Connection } from "./connection.js";
import { audioContext, Meter } from "./meter.js";

/** @typedef {import("../state/types.js").Ear} Ear */

const MEASURE_EVERY_MS = 1000;

/** @returns {Ear} */
export function deafEar() {
  return { phase: "off", name: "", variant: "auto", volume: 1, muted: false, trouble: null, play_ms: null, network_ms: null };
}

/** Mean time a sample waited in the browser between two readings of getStats(). @param {{delay: number, count: number} | null} before @param {{delay: number, count: number}} now */
export function bufferDelay(before, now) {
  const count = now.count - (before?.count ?? 0);
  return count > 0 ? ((now.delay - (before?.delay ?? 0)) / count) * 1000 : null;
}

export class Listener extends EventTarget {
  constructor() {
    super();
    /** @type {Ear} */
    this.ear = deafEar();
    /** @type {Connection | null} */
    this.connection = null;
    this.audio = new Audio();
    /** @type {Meter | null} */
    this.meter = null;
    /** @type {{delay: number, count: number} | null} */
    this.buffered = null;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.measuring = undefined;
  }

  /** Listen to somebody; call it in a click, browsers play only then. @param {string} name @param {string} [token] of a listen link */
  async start(name, token) {
    this.stop();
    audioContext();
    this.#set({ phase: "connecting", name, trouble: null });
    const connection = new Connection(async () => ({ url: `/whep/${encodeURIComponent(name)}?variant=${this.ear.variant}`, track: null, ...(token ? { authorization: token } : {}) }));
    this.connection = connection;
    connection.addEventListener("track", (event) => this.#play(/** @type {CustomEvent<MediaStream>} */ (event).detail));
    connection.addEventListener("up", () => this.#set({ phase: "on", trouble: null }));
    connection.addEventListener("down", () => this.#set({ phase: "reconnecting" }));
    connection.addEventListener("lost", (event) => this.#lost(connection, asProblem(/** @type {CustomEvent} */ (event).detail)));
    this.measuring = setInterval(() => void this.#measure(), MEASURE_EVERY_MS);
    try {
      await connection.open();
    } catch (error) {
      this.#lost(connection, asProblem(error));
    }
  }

  /** Idempotent. @param {boolean} [tell] not where the broadcast is over anyway */
  stop(tell = true) {
    clearInterval(this.measuring);
    this.connection?.close(tell);
    this.connection = null;
    this.meter?.close();
    this.meter = null;
    this.audio.srcObject = null;
    this.buffered = null;
    if (this.ear.phase !== "off") this.#set({ phase: "off", play_ms: null, network_ms: null });
  }

  /** Clean ("auto": as the broadcaster has it) or raw; heard at once. @param {"auto" | "original"} variant */
  async choose(variant) {
    const before = this.ear.variant;
    this.#set({ variant });
    try {
      await this.connection?.peer?.choose(variant);
    } catch (error) {
      this.#set({ variant: before, trouble: asProblem(error).trouble() });
    }
  }

  /** @param {number} volume 0 to 1 */
  setVolume(volume) {
    this.audio.volume = volume;
    this.#set({ volume });
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.audio.muted = muted;
    this.#set({ muted });
  }

  /** @param {MediaStream} stream */
  #play(stream) {
    this.audio.srcObject = stream;
    this.audio.volume = this.ear.volume;
    this.audio.muted = this.ear.muted;
    this.audio.play().catch(() => this.#set({ trouble: { code: "no_autoplay", detail: "" } }));
    this.meter?.close();
    this.meter = new Meter(audioContext(), stream);
  }

  /** @param {Connection} connection @param {import("../server/api.js").Problem} problem */
  #lost(connection, problem) {
    if (this.connection !== connection) return;
    this.stop();
    if (problem.code === "not_live") this.dispatchEvent(new Event("over"));
    else this.#set({ trouble: problem.trouble() });
  }

  async #measure() {
    const stats = await this.connection?.peer?.connection.getStats();
    for (const row of stats?.values() ?? []) {
      if (row.type === "inbound-rtp") {
        const now = { delay: row.jitterBufferDelay ?? 0, count: row.jitterBufferEmittedCount ?? 0 };
        this.#set({ play_ms: bufferDelay(this.buffered, now) });
        this.buffered = now;
      }
      if (row.type === "candidate-pair" && row.nominated && row.currentRoundTripTime !== undefined) this.#set({ network_ms: row.currentRoundTripTime * 500 });
    }
  }

  /** @param {Partial<Ear>} change */
  #set(change) {
    this.ear = { ...this.ear, ...change };
    this.dispatchEvent(new Event("change"));
  }
}
