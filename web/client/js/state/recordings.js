/** The recordings of one person or another, as the state keeps them: loading, waiting for what is being finished, deleting with a way back. */

import { api, asProblem } from "../server/api.js";

/** @typedef {import("./types.js").Recording} Recording */

const PAGE = 50;
const LOOK_AGAIN_MS = 1500;
const UNDO_MS = 10_000;

export class Recordings {
  /** @param {import("./store.js").Store} store @param {import("./player.js").Player} player */
  constructor(store, player) {
    this.store = store;
    this.player = player;
    /** @type {Map<string, ReturnType<typeof setTimeout>>} */
    this.looking = new Map();
    /** @type {Map<number, {timer: ReturnType<typeof setTimeout>, name: string}>} */
    this.leaving = new Map();
  }

  /** @param {string | null} name @param {string} [before] only what is older */
  async load(name, before) {
    if (!name) return;
    clearTimeout(this.looking.get(name));
    const list = this.store.state.recordings[name] ?? { items: [], more: false, trouble: null };
    try {
      /** @type {Recording[]} */
      const found = await api.recordings(name, before);
      const items = before ? [...list.items, ...found] : found;
      this.#set(name, { items, more: found.length === PAGE, trouble: null });
      if (items.some((item) => item.state === "finalising")) this.looking.set(name, setTimeout(() => void this.load(name), LOOK_AGAIN_MS));
    } catch (error) {
      this.#set(name, { ...list, trouble: asProblem(error).trouble() });
    }
  }

  /** @param {Recording} recording @param {string} title */
  async rename(recording, title) {
    await api.rename(recording.id, title);
    const list = this.store.state.recordings[recording.username];
    if (list) this.#set(recording.username, { ...list, items: list.items.map((item) => (item.id === recording.id ? { ...item, title } : item)) });
  }

  /** The row folds at once; the server hears of it ten seconds later, unless undo() comes. @param {Recording} recording */
  fold(recording) {
    if (this.player.playing.recording?.id === recording.id) this.player.load(null);
    this.store.set({ folded: [...this.store.state.folded, recording.id] });
    this.leaving.set(recording.id, { name: recording.username, timer: setTimeout(() => void this.#forget(recording.id), UNDO_MS) });
  }

  /** @param {number} id */
  undo(id) {
    clearTimeout(this.leaving.get(id)?.timer);
    this.leaving.delete(id);
    this.store.set({ folded: this.store.state.folded.filter((each) => each !== id) });
  }

  /** The page is being left: what was to be deleted is deleted now. */
  settle() {
    for (const [id, { timer }] of this.leaving) {
      clearTimeout(timer);
      void fetch(`/api/recording/${id}`, { method: "DELETE", keepalive: true });
    }
    this.leaving.clear();
  }

  /** @param {number} id */
  async #forget(id) {
    const name = this.leaving.get(id)?.name ?? null;
    this.leaving.delete(id);
    try {
      await api.forget(id);
    } catch {
      // then it is still in the list, which is loaded anew below
    }
    await this.load(name);
    this.store.set({ folded: this.store.state.folded.filter((each) => each !== id) });
  }

  /** @param {string} name @param {import("./types.js").RecordingList} list */
  #set(name, list) {
    this.store.set({ recordings: { ...this.store.state.recordings, [name]: list } });
  }
}
