/** Asks over HTTP what no WebSocket tells: all of it while one of them does not get through, as some proxies let none pass, and the statuses that a view shows without a socket. */

import { api, asProblem, MOST_STATUSES } from "../server/api.js";

/** @typedef {import("./types.js").Status} Status */

const EVERY_MS = 3000;
/** What the server answers to whoever may not hear a broadcast. */
const REFUSALS = new Set([401, 403, 404]);

/** Begins and ends with the sockets' own state; the interval runs always. */
export class Polling {
  /** @param {import("./friends.js").Friends} friends @param {import("../server/broadcast_sockets.js").BroadcastSockets} sockets */
  constructor(friends, sockets) {
    this.friends = friends;
    this.sockets = sockets;
    /** @type {Promise<void> | null} */
    this.asking = null;
    /** Whether something was to be asked while an answer was waited for. */
    this.again = false;
    /** Those whose status a view shows, with or without a socket. @type {readonly string[]} */
    this.shown = [];
    /** @type {string | null} */
    this.tag = null;
    /** Those asked for with that ETag. */
    this.names = "";
    /** @type {Map<string, boolean>} by name: whether there was a broadcast when asked last */
    this.known = new Map();
    for (const type of ["lost", "left"]) sockets.addEventListener(type, () => (this.tag = null)); // the last answer is not in force any more
  }

  begin() {
    setInterval(() => void this.ask(), EVERY_MS);
    return this;
  }

  /** Keep the statuses of these friends fresh; each call replaces the one before. @param {readonly string[]} names */
  follow(names) {
    if (names.join() === this.shown.join()) return;
    const before = this.shown;
    this.shown = names;
    this.tag = null;
    setTimeout(() => this.#forget(before)); // the next view may watch them, and goes on with what is known
    if (names.length) void this.ask();
  }

  /** What neither a view shows nor a socket tells any more is not in force. @param {readonly string[]} names */
  #forget(names) {
    for (const name of names) if (!this.shown.includes(name) && !this.sockets.watched.has(name)) this.sockets.report("left", name, null);
  }

  /** Ask once for all that no socket tells now; once more if there is more to ask meanwhile. */
  async ask() {
    this.again = true;
    this.asking ??= this.#askAll().finally(() => (this.asking = null));
    await this.asking;
  }

  async #askAll() {
    while (this.again) {
      this.again = false;
      await Promise.all([this.friends.poll(), this.#statuses()]);
    }
  }

  /** Those whose status a view shows, and no socket tells; a page that is hidden shows nothing. */
  get #shownOnly() {
    return globalThis.document?.hidden ? [] : this.shown.filter((name) => !this.sockets.watched.has(name));
  }

  async #statuses() {
    const { untold } = this.sockets;
    const names = [...untold.filter(({ token }) => !token).map(({ name }) => name), ...this.#shownOnly].slice(0, MOST_STATUSES).sort();
    for (const name of this.known.keys()) if (!untold.some((each) => each.name === name)) this.known.delete(name);
    const links = untold.filter(({ token }) => token).map(({ name, token }) => this.#link(name, token ?? ""));
    await Promise.all([...links, this.#friends(names)].map((asked) => asked.catch(() => undefined))); // the views say by themselves what does not come
  }

  /** @param {string} name @param {string} token of the listen link */
  async #link(name, token) {
    try {
      this.#take(name, await api.linkStatus(name, token));
    } catch (error) {
      if (REFUSALS.has(asProblem(error).status)) this.sockets.refuse(name);
    }
  }

  /** @param {string[]} names */
  async #friends(names) {
    const asked = names.join();
    if (!asked) return;
    const answer = await api.statuses(names, asked === this.names ? this.tag : null);
    if (!answer) return;
    this.names = asked;
    this.tag = answer.tag;
    for (const name of names) {
      const status = answer.value.find(({ username }) => username.toLowerCase() === name.toLowerCase());
      if (status) this.#take(name, status);
      else this.sockets.refuse(name); // no friend any more
    }
  }

  /** @param {string} name @param {Status} status */
  #take(name, status) {
    const isWatched = this.sockets.untold.some((each) => each.name === name);
    if (!isWatched && !this.#shownOnly.includes(name)) return; // its socket is back, and quicker
    const ended = this.known.get(name) && status.broadcast === null;
    if (isWatched) this.known.set(name, status.broadcast !== null);
    this.sockets.report("state", name, status);
    if (ended) this.sockets.report("ended", name, { recording: null });
  }
}
