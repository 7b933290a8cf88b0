/** Where the protocol classes meet the state. Actions for the views; no page in here. */

import { api, asProblem, door } from "../server/api.js";
import { Broadcaster } from "../rtc/broadcaster.js";
import { keepClaim } from "./claim.js";
import { Friends } from "./friends.js";
import { Listener } from "../rtc/listener.js";
import { audioContext } from "../rtc/meter.js";
import { Microphone } from "../rtc/microphone.js";
import { CompanionSession } from "../server/companion.js";
import { Player } from "./player.js";
import { isOpen, nextOf } from "./route.js";
import { WakeLock } from "../page/wake_lock.js";
import { Recordings } from "./recordings.js";
import { Socket } from "../server/socket.js";
import { BroadcastSockets } from "../server/broadcast_sockets.js";
import { troubleText } from "../page/messages.js";

/** @typedef {import("./types.js").Me} Me */
/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").Toast} Toast */

const TOAST_MS = 10_000;

/** @param {Event} event @returns {any} */
function told(event) {
  return /** @type {CustomEvent} */ (event).detail;
}

/** The door, and where to go from there. @param {import("./types.js").Route} route */
function wayIn(route) {
  return route.page === "home" || route.page === "lost" ? "/login" : `/login?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`;
}

export class App {
  /** @param {import("./store.js").Store} store @param {(path: string, replace?: boolean) => void} go @param {(text: string) => void} announce */
  constructor(store, go, announce) {
    this.store = store;
    this.go = go;
    this.announce = announce;
    this.broadcaster = new Broadcaster();
    this.listener = new Listener();
    this.player = new Player();
    this.broadcastSockets = new BroadcastSockets();
    this.wakeLock = new WakeLock();
    this.companionSession = new CompanionSession();
    this.recordings = new Recordings(store, this.player);
    this.friends = new Friends(store, announce);
    /** @type {(() => void) | null} */
    this.unwatchSelf = null;
    /** @type {(() => void) | null} */
    this.unwatchHeard = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.toasting = undefined;
    this.#wire();
  }

  get state() {
    return this.store.state;
  }

  #wire() {
    this.broadcaster.addEventListener("change", () => this.store.set({ air: this.broadcaster.air }));
    this.broadcaster.addEventListener("stopped", (event) => this.#stopped(told(event)));
    this.broadcaster.addEventListener("change", () => void this.wakeLock.keep(this.broadcaster.onAir));
    this.listener.addEventListener("change", () => this.store.set({ ear: this.listener.ear }));
    this.listener.addEventListener("over", () => {
      void this.refreshStatus(this.listener.ear.name);
      void this.recordings.load(this.listener.ear.name);
    });
    this.player.addEventListener("change", () => this.store.set({ player: this.player.playing }));
    this.companionSession.addEventListener("remote", (event) => this.#remote(told(event)));
    door.addEventListener("shut", () => {
      if (this.state.me && !isOpen(this.state.route)) this.leave(wayIn(this.state.route));
    });
    this.friends.addEventListener("refused", () => void this.begin());
    this.friends.addEventListener("streaming", (event) => {
      if (this.broadcastSockets.watched.has(told(event))) void this.refreshStatus(told(event));
    });
    this.broadcastSockets.addEventListener("state", (event) => this.#status(told(event).name, told(event).value));
    this.broadcastSockets.addEventListener("ended", (event) => this.#ended(told(event).name, told(event).value.recording ?? null));
    this.broadcastSockets.addEventListener("packet", (event) => void this.broadcaster.pack(told(event).value.ms)); // the server tells the broadcaster alone
  }

  /** Ask who is signed in; then the page can be shown. */
  async begin() {
    try {
      this.enter(await api.me());
    } catch (error) {
      const problem = asProblem(error);
      this.store.set({ me: null });
      if (problem.status === 0) this.toast({ text: "The server does not answer. Reload the page in a moment." });
      this.guard();
    }
  }

  /** Send those who are not signed in to the door, and those who have just come in to where they wanted. */
  guard() {
    const { me, route, claim } = this.state;
    if (me === null && !isOpen(route)) this.go(wayIn(route), true);
    if (!me || (route.page !== "login" && route.page !== "register")) return;
    if (claim && !me.owner) return route.page === "login" ? this.go("/register", true) : undefined; // where it can be used
    if (claim) {
      this.keepClaim(null);
      this.toast({ text: "You own this server." });
    }
    this.go(nextOf(location.search, location.origin), true);
  }

  /** @param {string | null} claim null: it is used, or good for nothing */
  keepClaim(claim) {
    keepClaim(claim);
    this.store.set({ claim });
  }


  /** @param {Me} me */
  enter(me) {
    this.store.set({ me });
    this.friends.open();
    this.unwatchSelf = this.broadcastSockets.watch(me.username);
    void this.refreshDenoisers();
    this.guard();
  }

  /** Close and forget everything of the account. @param {string} [way] where to go then */
  leave(way = "/login") {
    this.friends.close();
    this.unwatchSelf = null;
    this.listener.stop();
    this.broadcaster.rest();
    this.player.load(null);
    this.broadcastSockets.close();
    void this.companionSession.close();
    this.store.set({ me: null, friends: null, requests: { incoming: [], outgoing: [] }, statuses: {}, recordings: {} });
    this.go(way);
  }

  async logout() {
    if (this.broadcaster.onAir) await this.broadcaster.stop();
    await api.logout().catch(() => undefined); // the cookie may be dead already
    this.leave();
  }

  async refreshPeople() {
    await this.friends.refresh();
  }

  async refreshDenoisers() {
    this.store.set({ denoisers: await api.denoisers().catch(() => []) });
  }

  /** @param {string} name */
  async refreshStatus(name) {
    try {
      this.#status(name, await api.status(name));
    } catch {
      // not friends, or offline: the view asked for it and knows both
    }
  }

  /** @param {string} name @param {Status} status */
  #status(name, status) {
    const { statuses, clocks } = this.state;
    this.store.set({ statuses: { ...statuses, [name]: status }, clocks: { ...clocks, [name]: performance.now() } });
    if (name === this.state.me?.username) this.broadcaster.follow(status);
  }

  /** @param {string} name @param {number | null} recording */
  #ended(name, recording) {
    if (name === this.state.me?.username && this.broadcaster.onAir) this.broadcaster.ended(recording);
    if (name === this.listener.ear.name && this.listener.ear.phase !== "off") {
      this.listener.stop(false);
      this.announce(`${name} has stopped.`);
    }
    void this.refreshStatus(name);
    void this.recordings.load(name);
  }

  /** Off air, and for ten seconds a way back. @param {number | null} recording */
  #stopped(recording) {
    void this.recordings.load(this.state.me?.username ?? null);
    const text = recording === null ? "You are off air." : "You are off air. The recording is in your list.";
    this.toast({ text, action: { label: "Go on", run: () => void this.startStreaming(this.broadcaster.title) } });
  }

  /** @param {string} title */
  async startStreaming(title) {
    const me = this.state.me;
    if (!me) return;
    this.stopListening();
    this.player.pause();
    this.toast(null);
    await this.broadcaster.start(me.username, title, this.state.statuses[me.username]);
    if (this.broadcaster.onAir) this.announce("You are on air.");
  }

  async stopStreaming() {
    await this.broadcaster.stop();
    if (this.state.me) await this.refreshStatus(this.state.me.username);
  }

  /** @param {{enabled?: boolean, strength_db?: number | null, denoiser?: string}} wish */
  async denoise(wish) {
    const name = this.state.me?.username;
    if (!name) return;
    try {
      this.#status(name, await api.denoise(wish));
    } catch (error) {
      this.toast({ text: troubleText(asProblem(error).trouble()) });
      await this.refreshStatus(name);
    }
  }

  /** @param {string} name @param {string} [token] */
  async startListening(name, token) {
    this.player.pause();
    this.unwatchHeard?.();
    this.unwatchHeard = token ? null : this.broadcastSockets.watch(name);
    await this.listener.start(name, token);
    if (this.listener.ear.phase === "on") this.announce(`You hear ${name}.`);
  }

  stopListening() {
    this.listener.stop();
    this.unwatchHeard?.();
    this.unwatchHeard = null;
  }

  /** What a key or a remote asks for. @param {"listen" | "play" | "mute" | "denoise"} what */
  obey(what) {
    const { air, ear, player, route, statuses, me } = this.state;
    const onAir = this.broadcaster.onAir;
    if (what === "listen") ear.phase === "off" ? void this.startListening(route.name ?? "") : this.stopListening();
    else if (what === "play" && player.recording) void this.player.toggle(player.recording);
    else if (what === "mute") onAir ? this.broadcaster.mute(!air.muted) : this.listener.mute(!ear.muted);
    else if (what === "denoise" && onAir) void this.denoise({ enabled: !statuses[me?.username ?? ""]?.denoise.enabled });
    else if (what === "denoise" && ear.phase !== "off") void this.listener.choose(ear.variant === "auto" ? "original" : "auto");
    else if (what === "denoise" && player.recording) this.player.swap(player.variant === "denoised" ? "original" : "denoised");
  }

  /** Carry out a companion device's action that the server does not, as it does for muting. @param {string} action */
  #remote(action) {
    if (!this.broadcaster.onAir) return;
    if (action === "stop") void this.stopStreaming();
    else if (action === "denoise_on" || action === "denoise_off") void this.denoise({ enabled: action === "denoise_on" });
  }

  /** @param {boolean} keys */
  setKeys(keys) {
    localStorage.setItem("keys", keys ? "on" : "off");
    this.store.set({ keys });
  }

  /** A socket of a companion session, not yet connected. @param {string} id */
  companion(id) {
    return new Socket(`/ws/session/${encodeURIComponent(id)}`);
  }

  /** A gesture: sound that the browser held back may start now. */
  wake() {
    if (this.broadcaster.microphone.stream || this.listener.connection) audioContext();
  }

  /** The page goes away: the grace time of the own broadcast starts now, what is deleted is deleted. */
  away() {
    if (this.broadcaster.onAir) api.park();
    this.recordings.settle();
  }

  /** The preview is on without a question only where the person has allowed it before. */
  async previewIfAllowed() {
    if (await Microphone.isAllowed()) await this.broadcaster.preview();
  }

  /** Say one sentence for ten seconds. @param {Toast | null} toast */
  toast(toast) {
    clearTimeout(this.toasting);
    this.store.set({ toast });
    if (!toast) return;
    this.announce(toast.text);
    this.toasting = setTimeout(() => this.store.set({ toast: null }), TOAST_MS);
  }

  /** Run what may be refused; the refusal becomes a sentence. @param {() => Promise<unknown>} work @returns {Promise<boolean>} */
  async attempt(work) {
    try {
      await work();
      return true;
    } catch (error) {
      const problem = asProblem(error);
      this.toast({ text: troubleText(problem.trouble()) });
      return false;
    }
  }
}
