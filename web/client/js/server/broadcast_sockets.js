/** The sockets /ws/stream/{username}: one a name, open while a view watches. Levels stay here, not in the state: they change too often to render. */

import { Socket } from "./socket.js";

/** @typedef {import("../state/types.js").Levels} Levels */

const STALE_MS = 400;
/** Levels come ten times a second; values between are interpolated. */
const GLIDE_MS = 100;

/** Events: `state`, `ended`, `cue`, `packet` (detail: {name, value}). */
export class BroadcastSockets extends EventTarget {
  constructor() {
    super();
    /** @type {Map<string, {socket: Socket, users: number, before: Levels, levels: Levels, at: number}>} */
    this.watched = new Map();
  }

  /** Watch a broadcast; the function returned ends that. @param {string} name @returns {() => void} */
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
      if (this.watched.get(name) === there) this.watched.delete(name);
    };
  }

  /** The newest levels, or nulls where none came lately. @param {string} name @returns {Levels} */
  levels(name) {
    const there = this.watched.get(name);
    const passed = performance.now() - (there?.at ?? -Infinity);
    if (!there || passed > STALE_MS) return { original: null, denoised: null };
    const share = Math.min(1, passed / GLIDE_MS);
    return { original: glide(there.before.original, there.levels.original, share), denoised: glide(there.before.denoised, there.levels.denoised, share) };
  }

  close() {
    for (const { socket } of this.watched.values()) socket.close();
    this.watched.clear();
  }

  /** @param {string} name */
  #open(name) {
    const socket = new Socket(`/ws/stream/${encodeURIComponent(name)}`);
    /** @type {Levels} */
    const none = { original: null, denoised: null };
    const there = { socket, users: 0, before: none, levels: none, at: 0 };
    this.watched.set(name, there);
    socket.addEventListener("level", (event) => {
      const { original_dbfs, denoised_dbfs } = /** @type {CustomEvent} */ (event).detail;
      Object.assign(there, { before: there.levels, levels: { original: original_dbfs, denoised: denoised_dbfs }, at: performance.now() });
    });
    this.#pass(socket, name, "stream_state", "state");
    this.#pass(socket, name, "ended", "ended");
    this.#pass(socket, name, "cue", "cue");
    this.#pass(socket, name, "packet", "packet");
    socket.addEventListener("refused", () => {
      if (this.watched.get(name) === there) this.watched.delete(name); // a later watch opens a new socket
    });
    socket.connect();
    return there;
  }

  /** @param {Socket} socket @param {string} name @param {string} from @param {string} to */
  #pass(socket, name, from, to) {
    socket.addEventListener(from, (event) => this.dispatchEvent(new CustomEvent(to, { detail: { name, value: /** @type {CustomEvent} */ (event).detail } })));
  }
}

/** @param {number | null} from @param {number | null} to @param {number} share 0 to 1 */
export function glide(from, to, share) {
  return from === null || to === null ? to : from + (to - from) * share;
}
