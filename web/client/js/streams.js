/** The sockets /ws/stream/{username}: one a name, as long as somebody looks. Levels are kept here, not in the state: they change too often to render. */

import { Socket } from "./socket.js";

/** @typedef {import("./types.js").Levels} Levels */

const STALE_MS = 400;

/** Events: `state`, `ended`, `cue`, `refused` (detail: {name, ...}). */
export class Streams extends EventTarget {
  constructor() {
    super();
    /** @type {Map<string, {socket: Socket, users: number, levels: Levels, at: number}>} */
    this.watched = new Map();
  }

  /** Look at a broadcast; the answer ends it. @param {string} name @returns {() => void} */
  watch(name) {
    const there = this.watched.get(name) ?? this.#open(name);
    there.users += 1;
    let looking = true;
    return () => {
      if (!looking) return;
      looking = false;
      there.users -= 1;
      if (there.users) return;
      there.socket.close();
      this.watched.delete(name);
    };
  }

  /** The newest levels, or nulls where none came lately. @param {string} name @returns {Levels} */
  levels(name) {
    const there = this.watched.get(name);
    return there && performance.now() - there.at < STALE_MS ? there.levels : { original: null, denoised: null };
  }

  close() {
    for (const { socket } of this.watched.values()) socket.close();
    this.watched.clear();
  }

  /** @param {string} name */
  #open(name) {
    const socket = new Socket(`/ws/stream/${encodeURIComponent(name)}`);
    const there = { socket, users: 0, levels: { original: null, denoised: null }, at: 0 };
    this.watched.set(name, there);
    socket.addEventListener("level", (event) => {
      const { original_dbfs, denoised_dbfs } = /** @type {CustomEvent} */ (event).detail;
      Object.assign(there, { levels: { original: original_dbfs, denoised: denoised_dbfs }, at: performance.now() });
    });
    this.#pass(socket, name, "stream_state", "state");
    this.#pass(socket, name, "ended", "ended");
    this.#pass(socket, name, "cue", "cue");
    this.#pass(socket, name, "refused", "refused");
    socket.connect();
    return there;
  }

  /** @param {Socket} socket @param {string} name @param {string} from @param {string} to */
  #pass(socket, name, from, to) {
    socket.addEventListener(from, (event) => this.dispatchEvent(new CustomEvent(to, { detail: { name, value: /** @type {CustomEvent} */ (event).detail } })));
  }
}
