/** Friends, who of them is live, and who asks: kept in the state by /ws/presence. Events: `streaming` (detail: a name that went on or off air), `refused`. */

import { api } from "../server/api.js";
import { Socket } from "../server/socket.js";

/** @param {Event} event @returns {any} */
function told(event) {
  return /** @type {CustomEvent} */ (event).detail;
}

export class Friends extends EventTarget {
  /** @param {import("./store.js").Store} store @param {(text: string) => void} announce */
  constructor(store, announce) {
    super();
    this.store = store;
    this.announce = announce;
    /** @type {Socket | null} */
    this.socket = null;
    /** How many changes the socket has told: an answer older than the newest one must not overwrite it. */
    this.told = 0;
  }

  open() {
    this.close();
    const socket = new Socket("/ws/presence");
    this.socket = socket;
    socket.addEventListener("all_statuses", (event) => {
      this.told += 1;
      this.store.set({ friends: told(event).friends, online: true });
    });
    socket.addEventListener("streaming_status_update", (event) => this.#streaming(told(event)));
    socket.addEventListener("friend_request", (event) => {
      this.announce(`${told(event).username} asks to be friends.`);
      void this.refresh();
    });
    socket.addEventListener("friendship", () => void this.refresh());
    socket.addEventListener("down", () => this.store.set({ online: false }));
    socket.addEventListener("refused", () => this.dispatchEvent(new Event("refused")));
    socket.connect();
    void this.refresh();
  }

  close() {
    this.socket?.close();
    this.socket = null;
  }

  async refresh() {
    const { told: before, store: { state } } = this;
    const [friends, requests] = await Promise.all([api.friends().catch(() => state.friends), api.requests().catch(() => state.requests)]);
    if (!this.socket) return;
    if (before !== this.told) await this.refresh();
    else this.store.set({ friends, requests });
  }

  /** @param {{username: string, is_streaming: boolean, since: string | null}} news */
  #streaming(news) {
    this.told += 1;
    const friends = (this.store.state.friends ?? []).map((friend) => (friend.username === news.username ? { ...friend, live: news.is_streaming, since: news.since } : friend));
    this.store.set({ friends });
    if (friends.some((friend) => friend.username === news.username)) this.announce(`${news.username} is ${news.is_streaming ? "streaming" : "offline"}.`);
    this.dispatchEvent(new CustomEvent("streaming", { detail: news.username }));
  }
}
