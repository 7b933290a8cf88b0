/** The own broadcast: microphone, WHIP, staying on air. Events: `change` (read `air`), `stopped` (detail: recording id or null). Never touches the page. */

import { api, asProblem, Problem } from "../server/api.js";
import { Connection } from "./connection.js";
import { passed } from "./meter.js";
import { Microphone } from "./microphone.js";
import { LOOK_EVERY_MS, QuietMoment } from "./quiet_moment.js";
import { ANSWER_WITHIN_MS } from "./peer.js";

/** @typedef {import("../state/types.js").Air} Air */
/** @typedef {import("../state/types.js").Profile} Profile */

/** More attenuation than this damages music. */
const MUSIC_STRENGTH_DB = 12;
const MEASURE_EVERY_MS = 2000;
/** Two of the longest packets: one may already have begun, the other holds only silence. */
const HUSH_MS = 50;
/** The change takes milliseconds; it never resolves when the connection closes meanwhile. */
const CHANGE_WITHIN_MS = 1000;
/** A full server's request for longer packets is carried out without a pause when it was repeated this often. */
const LONGER_MS = 20;
const OFTEN = 3;

/** @returns {Air} */
export function silentAir() {
  return {
    phase: "idle", trouble: null, muted: false, silent: false, steady: false, profile: "voice", denoiser: "", echo: false, devices: [], device: "",
    settings: null, network_ms: null,
  };
}

/**
 * Where to post: everything is denoised but what is to be sent as it is; what is on air already keeps its switch.
 * @param {string} username @param {Profile} profile @param {string} title @param {boolean} [onAir] @param {string} [denoiser] "" = the server's choice
 */
export function whipUrl(username, profile, title, onAir = false, denoiser = "") {
  const query = new URLSearchParams(onAir ? {} : { denoise: profile === "asis" ? "0" : "1" });
  if (denoiser && !onAir) query.set("denoiser", denoiser);
  if (title) query.set("title", title);
  const asked = String(query);
  return `/whip/${encodeURIComponent(username)}${asked ? `?${asked}` : ""}`;
}

export class Broadcaster extends EventTarget {
  constructor() {
    super();
    /** @type {Air} */
    this.air = silentAir();
    this.microphone = new Microphone();
    /** @type {Connection | null} */
    this.connection = null;
    this.title = "";
    /** A broadcast that is already on air is taken over. */
    this.takesOver = false;
    /** `air.muted` is newer than what the server was told; the server is being told. */
    this.untold = false;
    this.telling = false;
    /** The track is disabled for a moment. */
    this.hushed = false;
    /** The requested packet time in ms; 0: none. */
    this.wanted = 0;
    /** How often it was requested in a row without success. */
    this.asked = 0;
    this.packing = false;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.measuring = undefined;
    this.microphone.addEventListener("change", () => this.#set({ devices: this.microphone.devices, silent: this.microphone.silent, steady: this.microphone.steady }));
    this.microphone.addEventListener("unplugged", () => void this.#unplugged());
  }

  get onAir() {
    return this.connection !== null;
  }

  /** The microphone on, nothing sent. Failures are in `air.trouble`. */
  async preview() {
    if (this.air.phase !== "idle") return;
    this.#set({ phase: "asking", trouble: null });
    this.#set({ phase: (await this.#listenIn()) ? "preview" : "idle" });
  }

  /** Let the microphone go, unless on air. */
  rest() {
    if (this.onAir || this.air.phase === "idle") return;
    this.microphone.close();
    this.#set({ phase: "idle", settings: null, silent: false, steady: false });
  }

  /**
   * Go on air, or take over one's own broadcast that still is: muted where that is.
   * @param {string} username @param {string} title @param {import("../state/types.js").Status} [status] of the own broadcast, where it is known
   */
  async start(username, title, status) {
    if (this.onAir) return;
    this.title = title;
    this.takesOver = Boolean(status?.live);
    this.untold = this.air.muted;
    this.#set({ phase: "connecting", trouble: null, muted: this.air.muted || Boolean(status?.muted) });
    this.#open(); // the preview's track lets everything through
    if (!this.microphone.stream && !(await this.#listenIn())) return this.#set({ phase: "idle" });
    const connection = new Connection((again) => this.#plan(username, again));
    this.connection = connection;
    connection.addEventListener("down", () => this.#set({ phase: "reconnecting" }));
    connection.addEventListener("up", () => this.#set({ phase: "live", trouble: null }));
    connection.addEventListener("lost", (event) => this.#off(asProblem(/** @type {CustomEvent} */ (event).detail)));
    try {
      await connection.open();
    } catch (error) {
      if (this.connection === connection) this.#off(asProblem(error));
      return;
    }
    this.measuring = setInterval(() => void this.#measure(), MEASURE_EVERY_MS);
    if (this.air.profile === "music") await api.denoise({ strength_db: MUSIC_STRENGTH_DB }).catch(() => undefined); // the switch shows the actual state
  }

  /** End the broadcast at once, whoever sends it. */
  async stop() {
    this.connection?.close(false); // the command below is the stop; a DELETE as well would race it for the answer
    /** @type {number | null} */
    let recording = null;
    try {
      recording = (await api.stop()).recording;
    } catch (error) {
      const problem = asProblem(error);
      if (problem.code !== "not_live") return this.#off(problem);
    }
    this.ended(recording);
  }

  /** The server says that it is over. @param {number | null} recording */
  ended(recording) {
    this.#off(null);
    this.dispatchEvent(new CustomEvent("stopped", { detail: recording }));
  }

  /** Mutes the microphone at once, and asks the server, which enforces it for every client. @param {boolean} muted */
  mute(muted) {
    this.untold = true;
    this.#set({ muted });
    this.#open();
    void this.#tellMute();
  }

  /** Follow the server's status of the own broadcast, unless a newer choice has not reached the server yet. @param {import("../state/types.js").Status} status */
  follow({ live, muted }) {
    if (!this.onAir || !live || this.telling) return;
    if (this.untold) return void this.#tellMute();
    if (muted === this.air.muted) return;
    this.#set({ muted });
    this.#open();
  }

  /** Sends the latest choice, however often the button was pressed meanwhile. Unmutes only after the server did. */
  async #tellMute() {
    if (this.telling || !this.onAir) return;
    this.telling = true;
    try {
      while (this.untold && this.onAir) {
        this.untold = false;
        await api.mute(this.air.muted);
      }
    } catch (error) {
      const problem = asProblem(error);
      this.untold = this.air.muted || problem.code === "not_live"; // told as soon as the server says that it is live
      if (!this.untold) this.#set({ muted: true, trouble: problem.trouble() });
      this.#open();
    } finally {
      this.telling = false;
    }
  }

  /** The denoiser of the next Start. @param {string} denoiser */
  prefer(denoiser) {
    this.#set({ denoiser });
  }

  /** Another microphone or other processing, also while live. @param {Partial<Pick<Air, "device" | "echo" | "profile">>} wish */
  async choose(wish) {
    this.#set(wish);
    if (!this.microphone.stream || !("device" in wish || "echo" in wish)) return;
    if ((await this.#listenIn()) && this.microphone.track) await this.connection?.peer?.replace(this.microphone.track);
  }

  /**
   * Longer or shorter packets, from the next pause on. For them the browser takes another encoder, which knows nothing of what the
   * listeners' decoders remember: only after silence on both sides do they agree without a click. Music may have no pause: then it
   * goes on as it is, until longer packets have been asked for so often that the server must be full; a gap of a tenth of a second
   * where it is quietest is better than a server that cannot keep up. Asked again while it waits, it goes by the last word.
   * @param {number} ms
   */
  async pack(ms) {
    if (!(ms > 0) || !this.onAir) return;
    this.asked = ms === this.wanted ? this.asked + 1 : 1;
    this.wanted = ms;
    if (this.packing) return;
    this.packing = true;
    try {
      const peer = (await this.#moment()) ? this.connection?.peer : null;
      if (peer?.isSettled) await this.#packQuietly(peer);
    } finally {
      this.packing = false;
    }
  }

  /** @param {import("./peer.js").Peer} peer */
  async #packQuietly(peer) {
    this.#hush(true);
    try {
      await passed(HUSH_MS);
      await Promise.race([peer.pack(this.wanted), passed(CHANGE_WITHIN_MS)]);
      await passed(HUSH_MS);
      this.asked = 0;
    } finally {
      this.#hush(false);
    }
  }

  /** @returns {Promise<boolean>} whether it is now, with somebody on air who still wants it */
  async #moment() {
    const began = performance.now();
    const moment = new QuietMoment();
    /** @type {"now" | "later" | "never"} */
    let when = "later";
    while (this.wanted && when === "later") {
      await passed(LOOK_EVERY_MS);
      const urgent = this.wanted >= LONGER_MS && this.asked >= OFTEN;
      when = moment.look(performance.now() - began, this.microphone.pausing, this.microphone.level, urgent);
    }
    return this.wanted > 0 && when === "now";
  }

  /** @param {boolean} hushed */
  #hush(hushed) {
    this.hushed = hushed;
    this.#open();
  }

  /** Let sound through the track, or none. */
  #open() {
    if (this.microphone.track) this.microphone.track.enabled = !this.air.muted && !this.hushed;
  }

  /** @param {string} username @param {{forgotten: boolean} | null} again @returns {Promise<import("./peer.js").Plan>} */
  async #plan(username, again) {
    if (again) {
      const status = await api.status(username, ANSWER_WITHIN_MS);
      if (again.forgotten && status.state === "live") throw new Problem(409, "taken_over", "");
      if (again.forgotten && status.state === "ended") throw new Problem(410, "ended", "");
    }
    return { url: whipUrl(username, this.air.profile, this.title, this.takesOver || again !== null, this.air.denoiser), track: this.microphone.track };
  }

  /** @returns {Promise<boolean>} */
  async #listenIn() {
    try {
      await this.microphone.open({ device: this.air.device, echo: this.air.echo, stereo: this.air.profile !== "voice" });
    } catch (error) {
      this.#set({ trouble: asProblem(error).trouble() });
      return false;
    }
    this.#open(); // a new track is enabled; a muted broadcaster stays muted
    const settings = this.microphone.track?.getSettings() ?? null;
    this.#set({ settings, device: settings?.deviceId ?? this.air.device, trouble: null });
    return true;
  }

  async #unplugged() {
    this.#set({ device: "", trouble: { code: "unplugged", detail: "" } });
    if (this.onAir && (await this.#listenIn()) && this.microphone.track) await this.connection?.peer?.replace(this.microphone.track); // the next microphone that is there
    else if (!this.onAir) this.rest();
  }

  /** @param {Problem | null} problem */
  #off(problem) {
    clearInterval(this.measuring);
    this.connection?.close(false);
    this.connection = null;
    this.hushed = false;
    this.wanted = 0;
    this.untold = false;
    this.asked = 0;
    this.#set({ phase: this.microphone.stream ? "preview" : "idle", muted: false, trouble: problem?.trouble() ?? null, network_ms: null });
    this.#open();
  }

  async #measure() {
    const stats = await this.connection?.peer?.connection.getStats();
    for (const row of stats?.values() ?? []) {
      if (row.type === "candidate-pair" && row.nominated && row.currentRoundTripTime !== undefined) this.#set({ network_ms: row.currentRoundTripTime * 500 });
    }
  }

  /** @param {Partial<Air>} change */
  #set(change) {
    this.air = { ...this.air, ...change };
    this.dispatchEvent(new Event("change"));
  }
}
