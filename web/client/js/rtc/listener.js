/**
 * Listens to one person by WHEP, and goes on until it is stopped or refused: it connects again after every loss, and waits while they
 * are not on air. Events: `change` (read `listening`), `slept` (the computer did). Owns its sound, which is not in the DOM.
 */

import { asProblem, Problem } from "../server/api.js";
import { Connection, received } from "./connection.js";
import { audioContext, Meter } from "./meter.js";
import { Loudspeaker } from "./loudspeaker.js";
import { move, nodeOf, settled } from "./moving.js";
import { bufferDelay } from "./receiving_stats.js";

/** @typedef {import("../state/types.js").Listening} Listening */

const MEASURE_EVERY_MS = 1000;
/** A timer that fires this much too late has slept with the computer. */
const SLEPT_MS = 4000;
/** Without packets for this long, while they are said to be live, the connection is checked; and again after as long. */
const STALLED_MS = 2000;
const CHECK_EVERY_MS = 5000;

/** @returns {Listening} */
export function notListening() {
  return {
    phase: "off", name: "", variant: "auto", choosing: false, held: true, volume: 1, muted: false, trouble: null, retry: null, stopped: false, play_ms: null, network_ms: null,
  };
}

export class Listener extends EventTarget {
  constructor() {
    super();
    /** @type {Listening} */
    this.listening = notListening();
    /** @type {Connection | null} */
    this.connection = null;
    this.loudspeaker = new Loudspeaker();
    /** @type {Meter | null} */
    this.meter = null;
    /** @type {string | undefined} of a listen link */
    this.token = undefined;
    /** Whether packets are expected: the broadcaster is live. */
    this.expected = false;
    /** The last status, if it came while the connection was not up or was on its way: it is followed afterwards. @type {import("../state/types.js").Status | null} */
    this.later = null;
    /** @type {{delay: number, count: number} | null} */
    this.buffered = null;
    this.measuredAt = 0;
    this.flow = { packets: 0, at: 0, checkedAt: 0 };
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.measureTimer = undefined;
  }

  /** Whether somebody is listened to, or waited for. */
  get wanted() {
    return this.listening.phase !== "off";
  }

  /** Listen to somebody until stop(). Call it in a click handler: browsers allow playback only then. @param {string} name @param {string} [token] of a listen link */
  async start(name, token) {
    this.stop();
    audioContext();
    this.mute(false);
    this.token = token;
    this.measuredAt = performance.now();
    this.measureTimer = setInterval(() => void this.#measure(), MEASURE_EVERY_MS);
    this.#set({ phase: "connecting", name, trouble: null, retry: null, stopped: false });
    await this.#connect();
  }

  /** Stop; may be called twice. @param {import("../state/types.js").Trouble | null} [trouble] why, if not by choice */
  stop(trouble = null) {
    clearInterval(this.measureTimer);
    this.#disconnect(true);
    if (this.wanted) this.#set({ phase: "off", trouble, retry: null, stopped: false });
  }

  /** Called when they are on air (again): connect at once if it was waited for. */
  async available() {
    this.expected = true;
    if (this.listening.phase === "waiting") await this.#connect();
  }

  /** A status of them: if another server has the broadcast, and cleans already if it is to, go there. @param {import("../state/types.js").Status} status */
  follow(status) {
    const { state, denoise, node } = status;
    const { connection } = this;
    this.later = connection && (connection.moving || this.listening.phase !== "on") ? status : null;
    const here = nodeOf(connection?.peer?.location);
    const isUp = ["on", "reconnecting"].includes(this.listening.phase); // which may end without another status
    if (connection && !connection.moving && isUp && state === "live" && denoise.state !== "starting" && here && node && here !== node) void this.#move(connection);
  }

  /** Called when they have gone off air. @param {boolean} stopped by themselves, not by a loss */
  unavailable(stopped) {
    this.expected = false;
    if (!this.wanted) return;
    this.#disconnect(false);
    this.#set({ phase: "waiting", retry: null, stopped });
  }

  /** Called when the server was lost from sight or is back: find out whether sound still comes, and connect again if not. */
  async check() {
    await this.connection?.check();
  }

  /** Choose "auto" (denoised while the broadcaster's switch is on) or "original". `listening.variant` changes once the server has changed it. @param {"auto" | "original"} variant */
  async choose(variant) {
    this.#set({ choosing: true });
    try {
      if (this.listening.phase === "on") await this.connection?.peer?.choose(variant);
      this.#set({ variant, held: true, trouble: null, choosing: false });
    } catch (error) {
      const problem = asProblem(error);
      if (problem.status !== 404) return this.#set({ trouble: problem.trouble(), choosing: false });
      this.#set({ variant, choosing: false }); // of the next session, for the server has forgotten this one
      await this.connection?.check();
    }
  }

  /** @param {number} volume 0 to 2, 1 as it was sent */
  setVolume(volume) {
    this.loudspeaker.setVolume(volume);
    this.#set({ volume });
  }

  /** Called on a click: play what the browser has not let play. */
  async resume() {
    await this.loudspeaker.resume();
    if (this.listening.trouble?.code === "no_autoplay") this.#set({ trouble: null });
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.loudspeaker.mute(muted);
    this.#set({ muted });
  }

  async #connect() {
    this.#disconnect(true);
    const { name } = this.listening;
    const authorization = this.token ? { authorization: this.token } : {};
    const connection = new Connection(async () => {
      const variant = connection.moving && !connection.recovering && this.listening.held ? "auto" : this.listening.variant; // see #move
      return { url: `/whep/${encodeURIComponent(name)}?variant=${variant}`, track: null, variant, ...authorization };
    }, true);
    this.connection = connection;
    /** @param {string} type @param {(detail: any) => void} run not for a connection that was replaced */
    const on = (type, run) => connection.addEventListener(type, (event) => this.connection === connection && run(/** @type {CustomEvent} */ (event).detail));
    on("track", (stream) => this.#play(stream));
    on("up", () => this.#up());
    on("down", () => this.#set({ phase: "reconnecting", play_ms: null }));
    on("retry", (problem) => this.#set({ phase: "reconnecting", retry: asProblem(problem).code }));
    on("lost", (problem) => this.#lost(connection, asProblem(problem)));
    try {
      await connection.open();
    } catch (error) {
      this.#lost(connection, asProblem(error));
    }
  }

  /** What is held now is held there too, or some of it would be left out: a session that begins with the original is not. @param {Connection} connection */
  async #move(connection) {
    const { variant, held } = this.listening;
    /** @type {{stream: MediaStream, take: () => void, drop: () => void} | null} */
    let beside = null;
    await move(connection, {
      prepare: async (next, stream) => {
        if (stream) beside = { stream, ...(await this.loudspeaker.beside(stream)) };
        if (held && variant === "original") await next.choose(variant);
        await settled(next, connection.peer);
      },
      take: () => {
        this.#heardBeside(/** @type {any} */ (beside));
        connection.peer?.easeBuffer();
      },
      drop: () => beside?.drop(),
    });
    if (connection === this.connection && variant !== this.listening.variant) await this.choose(this.listening.variant); // chosen meanwhile
    if (connection === this.connection) this.#followLater();
  }

  #followLater() {
    if (this.later && this.listening.phase === "on") this.follow(this.later);
  }

  /** @param {{stream: MediaStream, take: () => void}} beside */
  #heardBeside({ stream, take }) {
    take();
    this.meter?.close();
    this.meter = new Meter(audioContext(), stream);
    this.buffered = null;
    this.flow = { packets: 0, at: performance.now(), checkedAt: performance.now() };
  }

  #up() {
    this.flow = { packets: 0, at: performance.now(), checkedAt: performance.now() };
    const { variant } = this.listening;
    const sent = /** @type {any} */ (this.connection).peer.plan.variant; // another one may have been chosen meanwhile
    this.#set({ phase: "on", trouble: null, retry: null, stopped: false, variant: sent });
    if (variant !== sent) void this.choose(variant);
    this.#followLater();
  }

  /** @param {boolean} tell false if the server has ended the session already */
  #disconnect(tell) {
    this.connection?.close(tell);
    this.connection = null;
    this.later = null;
    this.meter?.close();
    this.meter = null;
    this.loudspeaker.play(null);
    this.buffered = null;
    if (this.listening.play_ms !== null || this.listening.network_ms !== null) this.#set({ play_ms: null, network_ms: null });
  }

  /** @param {MediaStream} stream */
  #play(stream) {
    this.#set({ held: this.listening.variant === "auto" }); // a new session of the original is not held
    this.loudspeaker.play(stream, () => this.#set({ trouble: { code: "no_autoplay", detail: "" } }));
    this.meter?.close();
    this.meter = new Meter(audioContext(), stream);
    this.buffered = null;
  }

  /** Refused for good: wait if they are not on air, else stop. @param {Connection} connection @param {Problem} problem */
  #lost(connection, problem) {
    if (this.connection !== connection) return;
    if (problem.code !== "not_live") return this.stop(problem.trouble());
    this.#disconnect(false);
    this.expected = false;
    this.#set({ phase: "waiting", retry: null });
  }

  async #measure() {
    const now = performance.now();
    const slept = now - this.measuredAt > MEASURE_EVERY_MS + SLEPT_MS;
    this.measuredAt = now;
    const { connection } = this;
    const peer = connection?.peer;
    if (slept) this.dispatchEvent(new Event("slept"));
    if (!connection || !peer || this.listening.phase !== "on") return;
    if (slept) return void connection.check();
    const stats = await peer.connection.getStats();
    for (const row of stats.values()) {
      if (row.type === "inbound-rtp") {
        const buffered = { delay: row.jitterBufferDelay ?? 0, count: row.jitterBufferEmittedCount ?? 0 };
        this.#set({ play_ms: bufferDelay(this.buffered, buffered) });
        this.buffered = buffered;
      }
      if (row.type === "candidate-pair" && row.nominated && row.currentRoundTripTime !== undefined) this.#set({ network_ms: row.currentRoundTripTime * 500 });
    }
    const packets = (await received(peer.connection))?.packets ?? null;
    if (packets !== this.flow.packets) Object.assign(this.flow, { packets, at: now });
    else if (this.expected && now - this.flow.at > STALLED_MS && now - this.flow.checkedAt > CHECK_EVERY_MS) {
      this.flow.checkedAt = now;
      void connection.check();
    }
  }

  /** @param {Partial<Listening>} change */
  #set(change) {
    this.listening = { ...this.listening, ...change };
    this.dispatchEvent(new Event("change"));
  }
}
