/** Keeps lists of recordings in the state: loads them, polls while one is being finalised, deletes with undo. */

import { api, asProblem } from "../server/api.js";

/** @typedef {import("./types.js").Recording} Recording */
/** @typedef {import("./types.js").Status} Status */

const PAGE = 50;
const RETRY_AFTER_MS = 1500;
const UNDO_MS = 10_000;

export class Recordings {
  /** @param {import("./store.js").Store} store @param {import("./player.js").Player} player */
  constructor(store, player) {
    this.store = store;
    this.player = player;
    /** @type {Map<string, ReturnType<typeof setTimeout>>} */
    this.reloadTimers = new Map();
    /** @type {Map<number, {timer: ReturnType<typeof setTimeout>, name: string}>} */
    this.pending = new Map();
    /** The recording that each broadcaster makes, when its list was loaded last. @type {Map<string, number | null>} */
    this.followed = new Map();
  }

  /** Load the newest, or those before a recording that is known. @param {string | null} name @param {number} [before] its id */
  async load(name, before) {
    if (!name) return;
    clearTimeout(this.reloadTimers.get(name));
    try {
      /** @type {Recording[]} */
      const found = await api.recordings(name, before);
      const list = this.#list(name);
      const older = olderOf(list.items, found);
      const items = before ? [...list.items.filter((item) => item.id >= before), ...found] : [...found, ...older];
      const more = !before && older.length ? list.more : found.length === PAGE;
      this.#set(name, { items, more, trouble: null });
      for (const item of items) this.player.renew(item);
      const closing = this.followed.get(name) === null; // nothing is recorded now: what is still live is being closed
      if (items.some((item) => item.state === "finalising" || (closing && item.state === "live"))) this.reloadTimers.set(name, setTimeout(() => void this.load(name), RETRY_AFTER_MS));
    } catch (error) {
      this.#set(name, { ...this.#list(name), trouble: asProblem(error).trouble() });
    }
  }

  /** Load a list anew when another recording has begun or one has ended, as the status tells. @param {string} name @param {Status | undefined} status */
  follow(name, status) {
    if (!status || !this.store.state.recordings[name]) return;
    const now = status.live ? status.recording?.id ?? null : null;
    if (this.followed.get(name) === now) return;
    this.followed.set(name, now);
    const { items } = this.#list(name);
    const known = items.some((item) => item.id === now) || now === null;
    if (!known || items.some((item) => item.state === "live" && item.id !== now)) void this.load(name);
  }

  /** Throws Problem. @param {Recording} recording @param {string} title */
  async rename(recording, title) {
    const { title: kept } = await api.rename(recording.id, title);
    const list = this.#list(recording.username);
    const items = list.items.map((item) => (item.id === recording.id ? { ...item, title: kept } : item));
    this.#set(recording.username, { ...list, items });
    for (const item of items) this.player.renew(item);
  }

  /**
   * Hide the recording at once, and delete it on the server ten seconds later, unless undo() is called.
   * @param {Recording} recording @param {(trouble: import("./types.js").Trouble) => void} refused it is not deleted after all
   */
  deleteLater(recording, refused) {
    if (this.player.playing.recording?.id === recording.id) this.player.load(null);
    this.store.set({ deleted: [...this.store.state.deleted, recording.id] });
    this.pending.set(recording.id, { name: recording.username, timer: setTimeout(() => void this.#delete(recording.id, refused), UNDO_MS) });
  }

  /** @param {number} id */
  undo(id) {
    clearTimeout(this.pending.get(id)?.timer);
    this.pending.delete(id);
    this.store.set({ deleted: this.store.state.deleted.filter((each) => each !== id) });
  }

  /** Carry out pending deletions now, because the page is being left, or the login given up. */
  async deleteNow() {
    const ids = [...this.pending.keys()];
    for (const { timer } of this.pending.values()) clearTimeout(timer);
    this.pending.clear();
    await Promise.allSettled(ids.map((id) => fetch(`/api/recording/${id}`, { method: "DELETE", keepalive: true })));
  }

  /** @param {number} id @param {(trouble: import("./types.js").Trouble) => void} refused */
  async #delete(id, refused) {
    const name = this.pending.get(id)?.name ?? null;
    this.pending.delete(id);
    try {
      await api.deleteRecording(id);
    } catch (error) {
      const problem = asProblem(error);
      if (problem.status !== 404) refused(problem.trouble()); // 404: it is gone already
    }
    await this.load(name);
    this.store.set({ deleted: this.store.state.deleted.filter((each) => each !== id) });
  }

  /** @param {string} name @returns {import("./types.js").RecordingList} */
  #list(name) {
    return this.store.state.recordings[name] ?? { items: [], more: false, trouble: null };
  }

  /** @param {string} name @param {import("./types.js").RecordingList} list */
  #set(name, list) {
    this.store.set({ recordings: { ...this.store.state.recordings, [name]: list } });
  }
}

/** What a list goes on with after its newest part was loaded anew. @param {readonly Recording[]} known @param {readonly Recording[]} found */
export function olderOf(known, found) {
  const last = found.at(-1);
  return found.length === PAGE && last ? known.filter((item) => item.id < last.id) : [];
}
