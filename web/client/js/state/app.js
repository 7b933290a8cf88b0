/** Connects the protocol classes with the state, and offers actions to the views. Never touches the DOM. */

import { api, apiEvents, asProblem } from "../server/api.js";
import { Broadcaster } from "../rtc/broadcaster.js";
import { Broadcasting } from "./broadcasting.js";
import { storeClaim } from "./claim.js";
import { Friends, isAway } from "./friends.js";
import { Listener } from "../rtc/listener.js";
import { ListeningWish } from "./listening.js";
import { audioContext } from "../rtc/meter.js";
import { CompanionSession } from "../server/companion.js";
import { Player } from "./player.js";
import { Polling } from "./polling.js";
import { Preferences } from "./preferences.js";
import { isPublic, nextOf, signInPath } from "./route.js";
import { WakeLock } from "../page/wake_lock.js";
import { Recordings } from "./recordings.js";
import { Socket } from "../server/socket.js";
import { BroadcastSockets } from "../server/broadcast_sockets.js";
import { troubleText } from "../words/errors.js";
import { claim as owning, requests, signing } from "../words/people.js";

/** @typedef {import("./types.js").Me} Me */
/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").Toast} Toast */

const TOAST_MS = 10_000;
const RETRY_AFTER_MS = 2000;

/** @param {Event} event @returns {any} */
function detailOf(event) {
  return /** @type {CustomEvent} */ (event).detail;
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
    this.polling = new Polling(this.friends, this.broadcastSockets);
    this.preferences = new Preferences();
    this.broadcasting = new Broadcasting(this);
    /** @type {(() => void) | null} */
    this.unwatchSelf = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.toastTimer = undefined;
    this.listening = new ListeningWish(this);
    for (const type of ["online", "offline"]) globalThis.addEventListener(type, () => void this.friends.poll(true));
    this.#wire();
  }

  get state() {
    return this.store.state;
  }

  #wire() {
    this.broadcaster.addEventListener("change", () => this.store.set({ broadcast: this.broadcaster.broadcast }));
    this.broadcaster.addEventListener("change", () => void this.wakeLock.keep(this.broadcaster.onAir));
    this.companionSession.addEventListener("devices", () => this.store.set({ phones: this.companionSession.phones }));
    this.player.addEventListener("change", () => this.store.set({ player: this.player.playing }));
    apiEvents.addEventListener("expired", () => {
      if (!this.state.me || isPublic(this.state.route)) return;
      this.leave(signInPath(this.state.route, location));
      this.toast({ text: signing.expired });
    });
    this.preferences.addEventListener("change", () => this.store.set({ keys: this.preferences.get("keys") ?? true }));
    this.friends.addEventListener("refused", () => void this.begin());
    this.friends.addEventListener("befriended", (event) => this.#befriended(detailOf(event)));
    this.friends.addEventListener("streaming", (event) => {
      const { broadcastSockets: sockets, friends } = this; // without a socket for friends it was polling that has told it, and asks for all
      if (friends.socket?.open && sockets.watched.has(detailOf(event)) && !sockets.isOpen(detailOf(event))) void this.polling.ask();
    });
    this.broadcastSockets.addEventListener("state", (event) => this.adopt(detailOf(event).name, detailOf(event).value));
    for (const type of ["lost", "open"]) this.broadcastSockets.addEventListener(type, (event) => detailOf(event).name === this.state.me?.username && void this.broadcaster.connection?.check());
    this.broadcastSockets.addEventListener("ended", (event) => this.#ended(detailOf(event).name, detailOf(event).value.recording ?? null));
    this.broadcastSockets.addEventListener("packet", (event) => void this.broadcaster.setPacketTime(detailOf(event).value.ms)); // sent to the broadcaster only
  }

  /** Tell of a new friend; a toast that offers something stays. @param {string} name */
  #befriended(name) {
    const text = requests.accepted(name);
    if (this.state.toast?.action) this.announce(text);
    else this.toast({ text });
  }

  /** Ask the server who is signed in. The page is rendered after that. */
  async begin() {
    try {
      this.enter(await api.me());
    } catch (error) {
      if (isAway(error)) {
        this.store.set({ away: true });
        return void setTimeout(() => void this.begin(), RETRY_AFTER_MS);
      }
      this.store.set({ me: null });
      this.guard();
    }
  }

  /** Redirect to the sign-in page if nobody is signed in, and from it to the requested page after signing in. */
  guard() {
    const { me, route, claim } = this.state;
    if (me === null && !isPublic(route)) this.go(signInPath(route, location), true);
    if (!me || (route.page !== "login" && route.page !== "register")) return;
    if (!claim && new URLSearchParams(route.query).has("invite")) return route.page === "login" ? this.go(`/register${route.query}`, true) : undefined; // the page that uses the invite
    if (claim && !me.owner) return route.page === "login" ? this.go("/register", true) : undefined; // the page that uses the claim
    if (claim) {
      this.storeClaim(null);
      this.toast({ text: owning.owned });
    }
    this.go(nextOf(location.search, location.origin), true);
  }

  /** @param {string | null} claim null once it is used or invalid */
  storeClaim(claim) {
    storeClaim(claim);
    this.store.set({ claim });
  }

  /** @param {Me} me */
  enter(me) {
    this.store.set({ me, away: false });
    this.friends.open();
    void this.preferences.open();
    this.unwatchSelf = this.broadcastSockets.watch(me.username);
    void this.refreshDenoisers();
    this.companionSession.resume();
    this.broadcasting.remember();
    this.guard();
  }

  /** Close all that belongs to the account and remove it from the state. @param {string} [way] where to go afterwards */
  leave(way = "/login") {
    this.friends.close();
    this.preferences.close();
    this.unwatchSelf = null;
    this.listener.stop();
    this.broadcaster.stopPreview();
    this.broadcasting.leave();
    this.player.load(null);
    this.broadcastSockets.close();
    void this.companionSession.close();
    this.store.set({ me: null, cues: {}, friends: null, requests: { incoming: [], outgoing: [] }, statuses: {}, recordings: {} });
    this.go(way);
  }

  /** Sign out; while the server does not answer one stays signed in there, and so here. */
  async logout() {
    if (this.broadcasting.facts.where !== "off") await this.broadcaster.stop(); // what another tab sends too: it could not be stopped any more
    await this.recordings.deleteNow();
    await this.preferences.flush();
    try {
      await api.logout();
    } catch (error) {
      if (isAway(error)) return this.toast({ text: troubleText(asProblem(error).trouble()) }); // else the login has expired already
    }
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
      this.adopt(name, await api.status(name));
    } catch {
      // not friends, or offline: the view shows either by itself
    }
  }

  /** Take over what the server says of a broadcast. @param {string} name @param {Status} status */
  adopt(name, status) {
    const { statuses, clocks } = this.state;
    this.store.set({ statuses: { ...statuses, [name]: status }, clocks: { ...clocks, [name]: performance.now() } });
    if (name === this.state.me?.username) this.broadcasting.follow(status);
    this.listening.follow(name, status, statuses[name]);
  }

  /** @param {string} name @param {number | null} recording */
  #ended(name, recording) {
    if (name === this.state.me?.username && (this.broadcaster.onAir || this.broadcaster.broadcast.trouble?.code === "ended")) this.broadcaster.ended(recording); // the sound's own way may have told it first
    if (this.broadcastSockets.isOpen(name) && (this.listening.token === undefined || name !== this.listening.name)) void this.refreshStatus(name);
    void this.recordings.load(name);
  }

  async stopStreaming() {
    await this.broadcasting.stop();
  }

  /** @param {string} name @param {string} [token] */
  async startListening(name, token) {
    this.player.pause();
    await this.listening.start(name, token);
  }

  stopListening() {
    this.listening.stop();
  }

  /** Run the action of a key. @param {"listen" | "play" | "mute" | "denoise"} what */
  runAction(what) {
    const { listening, player, route, statuses, me } = this.state;
    const onAir = this.broadcaster.onAir;
    if (what === "listen") listening.phase === "off" ? void this.startListening(route.name ?? "") : this.stopListening();
    else if (what === "play" && player.recording) void this.player.toggle(player.recording);
    else if (what === "mute") onAir ? void this.broadcasting.mute(!this.broadcasting.facts.muted) : listening.phase !== "off" && this.listener.mute(!listening.muted);
    else if (what === "denoise" && onAir) void this.broadcasting.denoise({ enabled: !statuses[me?.username ?? ""]?.denoise.enabled });
    else if (what === "denoise" && listening.phase !== "off") void this.listening.setVariant(listening.name, listening.variant === "auto" ? "original" : "auto");
    else if (what === "denoise" && player.recording) this.player.switchVariant(player.variant === "denoised" ? "original" : "denoised");
  }

  /** The socket of a companion session, not connected yet. @param {string} id */
  companion(id) {
    return new Socket(`/ws/session/${encodeURIComponent(id)}`);
  }

  /** Called on a user gesture: resume an AudioContext that the browser has suspended. */
  resumeAudio() {
    if (this.broadcaster.microphone.stream || this.listener.connection) audioContext();
    void this.listener.resume();
  }

  /** Called when the page is left: park the own broadcast, and carry out pending deletions. */
  pageHidden() {
    if (this.broadcaster.onAir) api.park();
    this.recordings.deleteNow();
    void this.preferences.flush();
  }

  /** Show one sentence for ten seconds; null removes it. @param {Toast | null} toast */
  toast(toast) {
    clearTimeout(this.toastTimer);
    this.store.set({ toast });
    if (!toast) return;
    this.announce(toast.text);
    this.toastTimer = setTimeout(() => this.store.set({ toast: null }), TOAST_MS);
  }

  /** Run a request; an error is shown as a toast. @param {() => Promise<unknown>} work @returns {Promise<boolean>} */
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
