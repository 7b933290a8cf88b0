/** The sockets /ws/stream/{username}, one per name, open while a view watches. Levels are kept here and not in the state, because they change too often to render. */

import { Socket } from "./socket.js";

/** @typedef {import("../state/types.js").Levels} Levels */

const STALE_MS = 400;
/** The interval of the server's levels; values between are interpolated. */
const LEVEL_EVERY_MS = 100;

/** Events: `state`, `ended`, `cue`, `packet`, `open`, `lost` (it was open), `left` (nobody watches any more), `refused`; detail: {name, value}. */
export class BroadcastSockets extends EventTarget {
  constructor() {
    super();
    /** @type {Map<string, {socket: Socket, token: string | undefined, users: number, before: Levels, levels: Levels, at: number}>} */
    this.watched = new Map();
    /** Those whose last status may be old although their socket is open. @type {Set<string>} */
    this.doubted = new Set();
  }

  /** Watch a broadcast; the returned function stops watching. @param {string} name @param {string} [token] of a listen link @returns {() => void} */
  watch(name, token) {
    const entry = this.watched.get(name) ?? this.#open(name, token);
    entry.users += 1;
    let watching = true;
    return () => {
      if (!watching) return;
      watching = false;
      entry.users -= 1;
      if (entry.users) return;
      entry.socket.close();
      if (this.watched.get(name) !== entry) return;
      this.watched.delete(name);
      this.doubted.delete(name);
      this.#tell("left", name, null);
    };
  }

  /** The current levels, null if none came within STALE_MS. @param {string} name @returns {Levels} */
  levels(name) {
    const entry = this.watched.get(name);
    const passed = performance.now() - (entry?.at ?? -Infinity);
    if (!entry || passed > STALE_MS) return { original: null, denoised: null };
    const share = Math.min(1, passed / LEVEL_EVERY_MS);
    return { original: interpolate(entry.before.original, entry.levels.original, share), denoised: interpolate(entry.before.denoised, entry.levels.denoised, share) };
  }

  /** Whether changes of this broadcast are told now. @param {string} name */
  isOpen(name) {
    return this.watched.get(name)?.socket.open ?? false;
  }

  /** Connect now where a socket waits to do so: the server was reached otherwise. */
  wake() {
    for (const { socket } of this.watched.values()) socket.wake();
  }

  /** Have the status asked for once more. @param {string} name */
  doubt(name) {
    this.doubted.add(name);
  }

  /** Those whose changes no socket tells now, each with the token of its listen link. @returns {{name: string, token: string | undefined}[]} */
  get untold() {
    return [...this.watched].filter(([name, { socket }]) => !socket.open || this.doubted.has(name)).map(([name, { token }]) => ({ name, token }));
  }

  /** Pass on what was asked over HTTP instead, or that it is not asked any more. @param {"state" | "ended" | "left"} type @param {string} name @param {unknown} value */
  report(type, name, value) {
    this.doubted.delete(name);
    this.#tell(type, name, value);
  }

  /** The server has answered that this broadcast may not be heard. @param {string} name */
  refuse(name) {
    const entry = this.watched.get(name);
    if (!entry) return;
    entry.socket.close();
    this.watched.delete(name); // a later watch opens a new socket
    this.#tell("refused", name, null);
  }

  close() {
    for (const { socket } of this.watched.values()) socket.close();
    this.watched.clear();
  }

  /** @param {string} name @param {string} [token] */
  #open(name, token) {
    const socket = new Socket(`/ws/stream/${encodeURIComponent(name)}`);
    /** @type {Levels} */
    const none = { original: null, denoised: null };
    const entry = { socket, token, users: 0, before: none, levels: none, at: 0 };
    this.watched.set(name, entry);
    socket.addEventListener("level", (event) => {
      const { original_dbfs, denoised_dbfs } = /** @type {CustomEvent} */ (event).detail;
      Object.assign(entry, { before: entry.levels, levels: { original: original_dbfs, denoised: denoised_dbfs }, at: performance.now() });
    });
    this.#forward(socket, name, "stream_state", "state");
    this.#forward(socket, name, "ended", "ended");
    this.#forward(socket, name, "cue", "cue");
    this.#forward(socket, name, "packet", "packet");
    let isOpen = false;
    socket.addEventListener("open", () => {
      isOpen = true;
      if (token) socket.send("hello", { token });
      this.#tell("open", name, null);
    });
    socket.addEventListener("down", () => {
      if (isOpen) this.#tell("lost", name, null);
      isOpen = false;
    });
    socket.addEventListener("refused", () => this.watched.get(name) === entry && this.refuse(name));
    socket.connect();
    return entry;
  }

  /** @param {Socket} socket @param {string} name @param {string} from @param {string} to */
  #forward(socket, name, from, to) {
    socket.addEventListener(from, (event) => this.#tell(to, name, /** @type {CustomEvent} */ (event).detail));
  }

  /** @param {string} type @param {string} name @param {unknown} value */
  #tell(type, name, value) {
    this.dispatchEvent(new CustomEvent(type, { detail: { name, value } }));
  }
}

/** @param {number | null} from @param {number | null} to @param {number} share 0 to 1 */
export function interpolate(from, to, share) {
  return from === null || to === null ? to : from + (to - from) * share;
}
