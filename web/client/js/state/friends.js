/** Keeps friends, who of them is live, and friend requests in the state, by /ws/presence, or by asking where that does not get through. Events: `streaming` (detail: a name that went on or off air), `befriended` (detail: a new friend's name), `refused`. */

import { api, asProblem } from "../server/api.js";
import { Socket } from "../server/socket.js";
import { people } from "../words/people.js";
import { awayText } from "./reached.js";

/** @typedef {import("./types.js").Friend} Friend */

/** Friend requests are asked for at every so many polls. */
const REQUESTS_EVERY = 5;

/** @param {Event} event @returns {any} */
function detailOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
}

/** The friends who went on or off air between two lists. Pure. @param {readonly Friend[]} before @param {readonly Friend[]} now @returns {Friend[]} */
export function changed(before, now) {
  return now.filter((friend) => before.some((each) => each.username === friend.username && each.live !== friend.live));
}

/** The new friends who were not accepted here, which says so itself. Pure. @param {import("./types.js").State} state before @param {readonly Friend[]} now @returns {string[]} */
export function gained({ friends, requests }, now) {
  if (friends === null) return [];
  const known = new Set([...friends, ...requests.incoming].map(({ username }) => username));
  return now.map(({ username }) => username).filter((name) => !known.has(name));
}

/** Whether this is a failure of the server or of the way to it. @param {unknown} error */
export function isAway(error) {
  const { status } = asProblem(error);
  return status === 0 || status >= 500;
}

export class Friends extends EventTarget {
  /** @param {import("./store.js").Store} store @param {(text: string) => void} announce */
  constructor(store, announce) {
    super();
    this.store = store;
    this.announce = announce;
    /** @type {Socket | null} */
    this.socket = null;
    /** Number of changes that the socket has told: a slower HTTP answer must not overwrite a newer change. */
    this.changes = 0;
    /** Whether the socket was down, so that messages may be missing. */
    this.missed = false;
    /** Whether friends and requests have been asked for once. */
    this.asked = false;
    this.polls = 0;
    /** @type {string | null} of the last poll that has brought something */
    this.tag = null;
  }

  open() {
    this.close();
    const socket = new Socket("/ws/presence");
    this.socket = socket;
    socket.addEventListener("all_statuses", (event) => this.#all(detailOf(event).friends));
    socket.addEventListener("streaming_status_update", (event) => this.#streaming(detailOf(event)));
    socket.addEventListener("friend_request", (event) => {
      this.announce(people.asks(detailOf(event).username));
      void this.refresh();
    });
    socket.addEventListener("friendship", () => void this.refresh());
    socket.addEventListener("open", () => {
      this.tag = null;
      if (this.missed) void this.refresh(); // requests may have come meanwhile, and the server may be of another build
      this.missed = false;
    });
    socket.addEventListener("down", () => {
      this.missed = true;
      void this.poll(); // which tells whether it is the server that is away, or WebSockets alone
    });
    socket.addEventListener("refused", () => this.dispatchEvent(new Event("refused")));
    socket.connect();
    void this.refresh();
  }

  close() {
    this.socket?.close();
    this.socket = null;
    this.tag = null;
    this.asked = false;
  }

  /** @returns {Promise<void>} */
  async refresh() {
    const { changes: before, socket, store: { state } } = this;
    let online = true;
    /** @template T @param {T} old @returns {(error: unknown) => T} */
    const keep = (old) => (error) => {
      if (isAway(error)) online = false;
      return old;
    };
    const [answered, requests] = await Promise.all([api.friends().catch(keep(state.friends)), api.requests().catch(keep(state.requests))]);
    if (!this.socket || this.socket !== socket) return;
    const told = before !== this.changes;
    if (told && this.asked) return this.refresh();
    const friends = told ? this.store.state.friends : answered; // the first that the socket tells is all of them
    const fresh = gained(this.store.state, friends ?? []);
    this.asked = true;
    this.store.set({ friends, requests });
    this.#reached(online || told);
    this.#befriend(fresh);
  }

  /** Ask for what the socket would tell. @param {boolean} [doubted] also while it is open and the server has answered last, as the network has changed */
  async poll(doubted = false) {
    const { socket, changes: before } = this;
    if (!socket || (socket.open && this.store.state.online && !doubted)) return;
    this.polls += 1;
    try {
      const [friends, requests] = await Promise.all([api.friendsUnless(this.tag), this.polls % REQUESTS_EVERY === 1 ? api.requests() : null]);
      if (this.socket !== socket || before !== this.changes) return; // signed out, or the socket was quicker
      if (friends) this.#all(friends.value);
      this.tag = friends ? friends.tag : this.tag;
      this.#reached(true);
      if (requests) this.#asked(requests);
    } catch (error) {
      if (this.socket === socket && (doubted || !socket.open) && isAway(error)) this.#reached(false);
    }
  }

  /** The name as its owner wrote it, or null if nobody is found by it. @param {string} name @returns {Promise<string | null>} */
  async spelling(name) {
    const { me, friends } = this.store.state;
    /** @param {string} other */
    const isSame = (other) => other.toLowerCase() === name.toLowerCase();
    const known = [me?.username ?? "", ...(friends ?? []).map(({ username }) => username)].find(isSame);
    if (known) return known;
    /** @type {import("./types.js").Found[]} */
    const found = await api.search(name).catch(() => []);
    return found.find(({ username }) => isSame(username))?.username ?? null;
  }

  /** @param {Friend[]} friends */
  #all(friends) {
    this.changes += 1;
    const { state } = this.store;
    const news = changed(state.friends ?? [], friends);
    this.store.set({ friends });
    this.#reached(true);
    for (const friend of news) this.#tell(friend);
    this.#befriend(gained(state, friends));
  }

  /** @param {readonly string[]} names */
  #befriend(names) {
    for (const name of names) this.dispatchEvent(new CustomEvent("befriended", { detail: name }));
  }

  /** Whether the server has answered; a change is said once. @param {boolean} online */
  #reached(online) {
    if (online === this.store.state.online) return;
    this.store.set({ online });
    this.announce(awayText({ online }) || people.back);
  }

  /** @param {import("./types.js").Requests} requests */
  #asked(requests) {
    const known = new Set(this.store.state.requests.incoming.map(({ id }) => id));
    this.store.set({ requests });
    for (const { id, username } of requests.incoming) if (!known.has(id)) this.announce(people.asks(username));
  }

  /** @param {{username: string, is_streaming: boolean, since: string | null}} news */
  #streaming(news) {
    this.changes += 1;
    const friends = (this.store.state.friends ?? []).map((friend) => (friend.username === news.username ? { ...friend, live: news.is_streaming, since: news.since } : friend));
    this.store.set({ friends });
    const friend = friends.find(({ username }) => username === news.username);
    if (friend) this.#tell(friend);
    else this.dispatchEvent(new CustomEvent("streaming", { detail: news.username }));
  }

  /** @param {Friend} friend who went on or off air */
  #tell({ username, live }) {
    this.announce(live ? people.wentLive(username) : people.wentOff(username));
    this.dispatchEvent(new CustomEvent("streaming", { detail: username }));
  }
}
