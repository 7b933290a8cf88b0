/** The wish to listen: once made it stands until Stop, so that every loss and every return of the broadcaster is followed by itself. */

import { hearingParts } from "../rtc/latency.js";
import { listening as words } from "../words/listening.js";
import { cueDelay } from "./heard.js";
import { endText, hearingText, recordingText } from "./hearing_now.js";

/** @typedef {import("./types.js").Status} Status */

/** After Stop the broadcaster may go on for this long; later they are no longer waited for. */
const GO_ON_S = 60;
/** Stop closes the connection first, which parks the broadcast for a moment; who was lost stays parked for longer. */
const STOP_TAKES_MS = 1500;
/** A state that lasts shorter is not announced: a broadcast that ends first looks like a lost connection. */
const SETTLED_MS = 600;

export class ListeningWish {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.listener = app.listener;
    this.preferences = app.preferences;
    /** Who may not be heard any more, because a friendship or link has ended. @type {Set<string>} */
    this.refused = new Set();
    /** @type {string | undefined} */
    this.token = undefined;
    /** @type {(() => void) | null} */
    this.unwatch = null;
    /** Whether changes may have been missed since the last status. */
    this.missed = false;
    /** When the broadcast was parked, in ms. @type {number | null} */
    this.parkedAt = null;
    /** What was announced last: of the sound, and of the recording. */
    this.said = ["", ""];
    /** What is announced if it stays so. @type {readonly string[]} */
    this.settling = [];
    /** @type {Record<"settle" | "giveUp", ReturnType<typeof setTimeout> | undefined>} */
    this.timers = { settle: undefined, giveUp: undefined };
    this.#wire();
  }

  get name() {
    return this.listener.wanted ? this.listener.listening.name : null;
  }

  #wire() {
    const { app, listener } = this;
    listener.addEventListener("change", () => {
      const before = app.state.listening.phase;
      app.store.set({ listening: listener.listening });
      if (listener.listening.phase === "on" && before !== "on") app.broadcastSockets.wake();
      if (listener.listening.phase === "off" && before !== "off") this.#over();
      if (listener.listening.phase === "waiting" && before !== "waiting") this.#doubt();
      this.changed();
    });
    listener.addEventListener("slept", () => app.broadcastSockets.wake());
    app.broadcastSockets.addEventListener("cue", (event) => this.#cue(/** @type {CustomEvent} */ (event).detail));
    app.broadcastSockets.addEventListener("refused", (event) => this.#refused(/** @type {CustomEvent} */ (event).detail));
    app.broadcastSockets.addEventListener("left", (event) => this.#forget(/** @type {CustomEvent} */ (event).detail.name));
    globalThis.addEventListener("offline", () => void listener.check()); // the browser may be wrong
    for (const type of ["lost", "open"]) app.broadcastSockets.addEventListener(type, (event) => this.#reached(type, /** @type {CustomEvent} */ (event).detail.name));
  }

  /** Listen, or wait for them where they are not on air. Call it in a click handler. @param {string} name @param {string} [token] of a listen link */
  async start(name, token) {
    this.stop();
    this.token = token;
    this.parkedAt = null;
    this.unwatch = this.app.broadcastSockets.watch(name, token);
    this.listener.setVolume(this.volumeOf(name));
    const speaker = this.preferences.get("speaker") ?? "";
    if (speaker !== this.listener.loudspeaker.device) void this.listener.loudspeaker.choose(speaker).catch(() => undefined); // it is not there now: the system's choice
    await this.listener.choose(this.preferences.get("variant", name) ?? "auto");
    if (this.app.state.statuses[name]?.live) this.listener.expected = true;
    await this.listener.start(name, token);
  }

  stop() {
    this.listener.stop();
  }

  /** The wish is over, by choice or by refusal. A refusal is told wherever one is. */
  #over() {
    clearTimeout(this.timers.giveUp);
    clearTimeout(this.timers.settle);
    this.unwatch?.();
    this.unwatch = null;
    this.said = ["", ""];
    this.settling = [];
    const { trouble, name } = this.listener.listening;
    if (!trouble) return;
    const { route } = this.app.state;
    const isThere = route.page === "link" || (route.page === "user" && route.name === name);
    if (isThere) this.app.announce(endText(trouble, name, this.token !== undefined));
    else this.app.toast({ text: endText(trouble, name, this.token !== undefined) });
  }

  /** A status has come. @param {string} name @param {Status} status @param {Status | undefined} before */
  follow(name, status, before) {
    this.refused.delete(name);
    if (name === this.name) {
      if (status.state === "parked") this.parkedAt ??= performance.now();
      if (status.live) {
        clearTimeout(this.timers.giveUp);
        this.listener.expected = status.state === "live";
        void this.listener.available();
        this.listener.follow(status);
      } else if (before?.live) this.#gone(!this.missed && (this.parkedAt === null || performance.now() - this.parkedAt < STOP_TAKES_MS));
      if (status.state !== "parked") this.parkedAt = null;
      this.missed = false;
    }
    if (before?.broadcast !== status.broadcast && this.app.state.cues[name]) this.#mark(name, null);
    this.changed();
  }

  /** The sound was refused as they are not on air: a status that says that they are may be older than that. */
  #doubt() {
    const { name } = this;
    if (name !== null && this.app.state.statuses[name]?.live) this.app.broadcastSockets.doubt(name);
  }

  /** They have gone off air. @param {boolean} stopped by Stop: they may go on for a while. Whoever was lost is waited for. */
  #gone(stopped) {
    const { name } = this;
    this.listener.unavailable(stopped);
    clearTimeout(this.timers.giveUp);
    if (!stopped || name === null) return;
    this.timers.giveUp = setTimeout(() => {
      this.stop();
      this.app.toast({ text: words.ended(name) });
    }, GO_ON_S * 1000);
  }

  /** @param {string} type @param {string} name whose socket was lost or is open */
  #reached(type, name) {
    const { store } = this.app;
    if (type === "lost") store.set({ lost: { ...store.state.lost, [name]: performance.now() } });
    if (name === this.name) {
      this.missed = true;
      void this.listener.check();
    }
    this.changed();
  }

  /** What is not told any more is not known any more. @param {string} name */
  #forget(name) {
    const { store } = this.app;
    const { [name]: _, ...statuses } = store.state.statuses;
    store.set({ statuses });
    this.#mark(name, null);
  }

  /** Neither a friend nor the bearer of a good link any more: what was known is forgotten. @param {{name: string, value: number}} refusal */
  #refused({ name }) {
    const { store } = this.app;
    this.refused.add(name);
    const { [name]: _, ...recordings } = store.state.recordings;
    store.set({ recordings });
    this.#forget(name);
    if (name === this.name) this.listener.stop({ code: this.token ? "link_ended" : "not_friends", detail: "" });
  }

  /** Show a chord or practice mark when its moment is heard. @param {{name: string, value: {at_s: number, kind: string, text: string}}} cue */
  #cue({ name, value: { kind, text, at_s } }) {
    const { listening, statuses } = this.app.state;
    const heard = listening.phase === "on" && listening.name === name;
    const delay_ms = heard ? cueDelay(hearingParts(statuses[name], listening)) : 0;
    setTimeout(() => {
      const before = this.app.state.cues[name] ?? { chord: "", practising: false, at_s: 0 };
      this.#mark(name, kind === "chord" ? { ...before, chord: text, at_s } : { ...before, practising: text === "started", at_s });
    }, delay_ms);
  }

  /** @param {string} name @param {import("./types.js").Marks | null} marks */
  #mark(name, marks) {
    const { [name]: _, ...others } = this.app.state.cues;
    this.app.store.set({ cues: marks ? { ...others, [name]: marks } : others });
  }

  /** Announce what is heard now once it has settled, as far as it differs from what was announced last. */
  changed() {
    const { name } = this;
    if (name === null) return;
    const now = [hearingText(this.app.state, name), recordingText(this.app.state, name)];
    if (now.join() === this.settling.join()) return;
    this.settling = now;
    clearTimeout(this.timers.settle);
    this.timers.settle = setTimeout(() => this.#announce(now), SETTLED_MS);
  }

  /** @param {readonly string[]} now */
  #announce(now) {
    const news = now.filter((text, index) => text && text !== this.said[index]);
    this.said = now.map((text, index) => text || (this.said[index] ?? "")); // what is not known for a while is not told again
    if (news.length) this.app.announce(news.join(" "));
  }

  /** @param {string} name @returns {number} 0 to 2 */
  volumeOf(name) {
    return this.preferences.get("volume", name) ?? 1;
  }

  /** Set and remember how loud a friend is. @param {string} name @param {number} percent 0 to 200, 100 as it was sent */
  setVolume(name, percent) {
    const volume = Math.min(200, Math.max(0, percent)) / 100;
    this.preferences.set("volume", volume, name);
    if (name === this.listener.listening.name) this.listener.setVolume(volume);
  }

  /** Set and remember what is heard of a friend. @param {string} name @param {"auto" | "original"} variant */
  async setVariant(name, variant) {
    this.preferences.set("variant", variant, name);
    if (name === this.listener.listening.name) await this.listener.choose(variant);
  }

  /** Play on this loudspeaker from now on; "" is the system's choice. Throws DOMException if it is not there. @param {string} device */
  async setSpeaker(device) {
    await this.listener.loudspeaker.choose(device);
    this.preferences.set("speaker", device);
  }
}
