/** Actions of the own broadcast, and what follows from the server's word about it. Never touches the DOM. */

import { HearYourself } from "../rtc/hear_yourself.js";
import { Microphone } from "../rtc/microphone.js";
import { api, asProblem } from "../server/api.js";
import { broadcasting as words } from "../words/broadcasting.js";
import { onAir, recordedNow, strengthOf } from "./onair.js";
import { marksSoFar } from "./marks.js";
import { troubleText } from "../words/errors.js";

/** @typedef {import("./types.js").Status} Status */
/** @typedef {import("./types.js").OwnBroadcast} OwnBroadcast */
/** @typedef {import("./onair.js").OnAir} OnAir */
/** @typedef {Partial<Pick<OwnBroadcast, "device" | "echo" | "profile" | "denoiser" | "strength_db" | "record">>} Choice */

const MARKS_KEPT = 50;
const SAY_AFTER_MS = 300;
/** What the toast or another page says already, or what passes in a moment. */
const UNSAID = new Set(["off", "elsewhere", "waiting", "connecting", "stopping"]);
/** Remembered for the account, each under its own name. @type {readonly ("profile" | "echo" | "denoiser" | "strength_db")[]} */
const REMEMBERED = ["profile", "echo", "denoiser", "strength_db"];

/** What an account that remembers nothing begins with. @type {Choice} */
const UNCHOSEN = { profile: "voice", echo: false, denoiser: "", strength_db: undefined, device: "", record: true };

/** The sentence under the ribbon. @param {OnAir} facts */
export function messageText(facts) {
  return facts.message === "trouble" && facts.trouble ? troubleText(facts.trouble) : words.message(facts);
}

export class Broadcasting {
  /** @param {import("./app.js").App} app */
  constructor(app) {
    this.app = app;
    this.yourself = new HearYourself();
    /** The broadcast that the marks belong to. */
    this.known = "";
    /** The newest status while it was live. @type {Status | null} */
    this.last = null;
    /** Whether the limit that was chosen before Start has not reached the server yet. */
    this.strengthUnsent = false;
    this.said = "";
    /** One for the page, which tells each change once. @type {Promise<PermissionStatus | null> | null} */
    this.permission = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.sayTimer = undefined;
    this.yourself.addEventListener("change", () => app.store.set({ yourself: this.yourself.state }));
    app.preferences.addEventListener("change", () => this.remember());
    app.broadcaster.addEventListener("change", () => this.#sayLater());
    app.broadcaster.addEventListener("stopped", (event) => this.#stopped(/** @type {CustomEvent<number | null>} */ (event).detail));
    globalThis.navigator.mediaDevices?.addEventListener("devicechange", () => this.#plugged());
    app.companionSession.addEventListener("remote", (event) => this.#remote(/** @type {CustomEvent<string>} */ (event).detail));
    app.broadcastSockets.addEventListener("cue", (event) => this.#cue(/** @type {CustomEvent} */ (event).detail));
  }

  get #me() {
    return this.app.state.me?.username ?? "";
  }

  /** The server's last word about the own broadcast. @returns {Status | undefined} */
  get status() {
    return this.app.state.statuses[this.#me];
  }

  /** All that the studio says now. */
  get facts() {
    const { state } = this.app;
    return onAir(state, this.status, performance.now() - (state.clocks[this.#me] ?? performance.now()));
  }

  /** @param {string} title */
  async start(title) {
    const { app } = this;
    const me = this.#me;
    if (!me || app.broadcaster.onAir) return;
    app.stopListening();
    app.player.pause();
    this.yourself.stop();
    app.toast(null);
    if (!this.status) await app.refreshStatus(me); // what is on air already is taken over, muted if it is
    this.strengthUnsent = !this.status?.live && strengthOf(app.state.broadcast) !== null;
    await app.broadcaster.start(me, title, this.status);
  }

  async stop() {
    await this.app.broadcaster.stop();
    if (this.#me) await this.app.refreshStatus(this.#me);
  }

  /** @param {{enabled?: boolean, strength_db?: number | null, denoiser?: string}} wish */
  async denoise(wish) {
    if (this.#me) await this.#tell(() => api.denoise(wish));
  }

  /** Record, or not: now where the broadcast is live, and else the next one. @param {boolean} on */
  async record(on) {
    const { app } = this;
    if (!this.status?.live) return void app.broadcaster.choose({ record: on });
    const before = this.status.recording?.id ?? null;
    await this.#tell(() => api.record(on));
    const now = this.status?.recording;
    await app.broadcaster.choose({ record: on });
    if (!on && before !== null && now?.id === null) app.toast({ text: words.recordingEnded });
    if (on && now?.id === null && !now.failed) app.toast({ text: words.noRecordings });
    void app.recordings.load(this.#me);
  }

  /** Mute or unmute: by this page's microphone where it sends, and else by the server alone. @param {boolean} muted */
  async mute(muted) {
    const { app } = this;
    if (app.broadcaster.onAir) return app.broadcaster.mute(muted);
    if (await app.attempt(() => api.mute(muted))) await app.refreshStatus(this.#me);
  }

  /** Choose for this broadcast and the next ones, and remember it. @param {Choice} choice */
  async choose(choice) {
    const { broadcaster, preferences } = this.app;
    const chosen = broadcaster.choose(choice);
    for (const key of REMEMBERED) if (key in choice) preferences.set(key, choice[key]);
    if ("device" in choice) preferences.set("microphone", choice.device);
    if (this.status?.live && "denoiser" in choice) await this.denoise({ denoiser: choice.denoiser ?? "" });
    if (this.status?.live && "strength_db" in choice) await this.denoise({ strength_db: strengthOf(this.app.state.broadcast) });
    await chosen;
  }

  /** Open the preview unless the browser would ask first; what stands in the way of a microphone is known then. Again when its permission changes. */
  async previewUnasked() {
    const permission = await (this.permission ??= Microphone.permission());
    if (this.app.state.route.page !== "studio") return;
    if (permission) permission.onchange = () => void this.previewUnasked();
    if (!Microphone.isPossible || (permission && permission.state !== "prompt")) await this.app.broadcaster.preview();
  }

  /** A microphone was plugged in, or taken away: one that was missing may be there. */
  #plugged() {
    const { broadcast, route } = this.app.state;
    if (route.page === "studio" && ["no_microphone", "unplugged"].includes(broadcast.trouble?.code ?? "")) void this.app.broadcaster.preview();
  }

  /** Record five seconds of oneself and hear them, or stop that. */
  async hearYourself() {
    if (this.yourself.running) return this.yourself.stop();
    const { broadcaster } = this.app;
    await broadcaster.preview();
    const { track } = broadcaster.microphone;
    const { profile, denoiser } = broadcaster.broadcast;
    if (track) await this.yourself.start(track, { denoise: profile !== "asis", denoiser });
  }

  /** Called at each status of the own broadcast. @param {Status} status */
  follow(status) {
    this.app.broadcaster.follow(status);
    if (status.live) this.last = status;
    if (status.broadcast && status.broadcast !== this.known) {
      this.known = status.broadcast;
      this.app.store.set({ marks: [] });
      if (!this.app.broadcaster.onAir) void this.#recall(status); // a page that has begun it has seen all of them
    }
    if (this.strengthUnsent && status.state === "live" && this.app.broadcaster.onAir) {
      this.strengthUnsent = false;
      void this.denoise({ strength_db: strengthOf(this.app.state.broadcast) });
    }
    this.#sayLater();
  }

  /** Nobody is signed in any more. */
  leave() {
    this.yourself.stop();
    this.known = "";
    void this.app.broadcaster.choose(UNCHOSEN);
    this.app.store.set({ marks: [] });
  }

  /** Take over the marks that were made before this page was loaded. @param {Status} status */
  async #recall(status) {
    const me = this.#me;
    await this.app.recordings.load(me);
    const { marks, recordings } = this.app.state;
    if (this.known === status.broadcast) this.app.store.set({ marks: marksSoFar(recordings[me]?.items ?? [], status, marks).slice(-MARKS_KEPT) });
  }

  /** Send a wish about the live broadcast, and adopt the status that answers it. @param {() => Promise<Status>} wish */
  async #tell(wish) {
    const { app } = this;
    const me = this.#me;
    try {
      app.adopt(me, await wish());
    } catch (error) {
      app.toast({ text: troubleText(asProblem(error).trouble()) });
      await app.refreshStatus(me);
    }
  }

  /** Adopt what the account remembers, where it is not on air. */
  remember() {
    const { broadcaster, preferences } = this.app;
    if (broadcaster.onAir) return;
    /** @type {Record<string, unknown>} */
    const choice = {};
    for (const key of REMEMBERED) if (preferences.get(key) !== undefined && preferences.get(key) !== broadcaster.broadcast[key]) choice[key] = preferences.get(key);
    const device = preferences.get("microphone");
    if (device && !broadcaster.microphone.stream && device !== broadcaster.broadcast.device) choice["device"] = device;
    if (Object.keys(choice).length) void broadcaster.choose(/** @type {Choice} */ (choice));
  }

  /** Say that the broadcast has ended, and offer to go on for ten seconds, muted if it was. @param {number | null} recording */
  #stopped(recording) {
    const { app } = this;
    const { status, last } = this;
    const muted = Boolean(last?.muted);
    const record = app.broadcaster.broadcast.record && (!last || recordedNow("here", false, app.broadcaster.broadcast, last, 0) !== "off");
    if (status?.live) app.adopt(this.#me, { ...status, live: false, state: "ended", broadcast: null, muted: false });
    void app.broadcaster.choose({ record: true }); // turning it off is for one broadcast
    void app.recordings.load(this.#me || null);
    const goOn = async () => {
      await app.broadcaster.choose({ record });
      if (muted) app.broadcaster.mute(true);
      await this.start(app.broadcaster.title);
    };
    app.toast({ text: recording === null ? words.stopped : words.stoppedRecorded, action: { label: words.goOn, run: () => void goOn() } });
  }

  /** Run a companion device's action. Muting is not among them: the server does that itself. @param {string} action */
  #remote(action) {
    if (!this.status?.live) return;
    if (action === "stop") void this.stop();
    else if (action === "denoise_on" || action === "denoise_off") void this.denoise({ enabled: action === "denoise_on" });
  }

  /** @param {{name: string, value: import("./types.js").Chapter}} cue */
  #cue({ name, value }) {
    if (name === this.#me) this.app.store.set({ marks: [...this.app.state.marks.slice(1 - MARKS_KEPT), value] });
  }

  /** Announce a change once it has settled, unless the studio is shown, whose sentences are live regions themselves. */
  #sayLater() {
    clearTimeout(this.sayTimer);
    this.sayTimer = setTimeout(() => {
      const { facts } = this;
      const text = UNSAID.has(facts.where) || facts.sign === "connecting" ? "" : `${messageText(facts)} ${words.recorded(facts)}`.trim();
      if (text && text !== this.said && this.said && this.app.state.route.page !== "studio") this.app.announce(text);
      this.said = text;
    }, SAY_AFTER_MS);
  }
}
