/** The user's own broadcast: microphone, WHIP, reconnecting. Events: `change` (read `broadcast`), `stopped` (detail: recording id or null). Never touches the DOM. */

import { api, asProblem, Problem } from "../server/api.js";
import { Connection } from "./connection.js";
import { Microphone } from "./microphone.js";
import { move, nodeOf } from "./moving.js";
import { MuteNews } from "./mute_news.js";
import { PacketTime } from "./packet_time.js";
import { ANSWER_WITHIN_MS } from "./peer.js";
import { packetsOf, packetTime, roundTrip } from "./sending_stats.js";

/** @typedef {import("../state/types.js").OwnBroadcast} OwnBroadcast */
/** @typedef {import("../state/types.js").Profile} Profile */

const MEASURE_EVERY_MS = 1000;

/** @returns {OwnBroadcast} */
export function idleBroadcast() {
  return {
    phase: "idle", trouble: null, muted: false, silent: false, steady: false, profile: "voice", denoiser: "", strength_db: undefined, echo: false, record: true,
    devices: [], device: "", substitute: "", settings: null, network_ms: null, packet_ms: null,
  };
}

/**
 * The WHIP URL. A new broadcast is denoised unless the profile is "asis", and recorded unless that was turned off; one that is on air keeps
 * its switches.
 * @param {string} username @param {Profile} profile @param {string} title @param {boolean} [onAir] @param {string} [denoiser] "" = the server's choice @param {boolean} [record]
 */
export function whipUrl(username, profile, title, onAir = false, denoiser = "", record = true) {
  const query = new URLSearchParams(onAir ? {} : { denoise: profile === "asis" ? "0" : "1" });
  if (denoiser && !onAir) query.set("denoiser", denoiser);
  if (!record && !onAir) query.set("record", "0");
  if (title) query.set("title", title);
  const asked = String(query);
  return `/whip/${encodeURIComponent(username)}${asked ? `?${asked}` : ""}`;
}

/** What the microphone is opened with. @param {OwnBroadcast} broadcast */
function wishOf({ device, echo, profile }) {
  return { device, echo, stereo: profile !== "voice" };
}

/** @param {ReturnType<typeof wishOf>} one @param {ReturnType<typeof wishOf>} other */
function isSame(one, other) {
  return one.device === other.device && one.echo === other.echo && one.stereo === other.stereo;
}

export class Broadcaster extends EventTarget {
  constructor() {
    super();
    /** @type {OwnBroadcast} */
    this.broadcast = idleBroadcast();
    this.microphone = new Microphone();
    /** @type {Connection | null} */
    this.connection = null;
    this.title = "";
    /** Whether a broadcast that is already on air is taken over. */
    this.takesOver = false;
    this.muteNews = new MuteNews(() => (this.onAir ? this.broadcast.muted : null), (problem) => {
      this.#set({ muted: true, trouble: problem.trouble() });
      this.#applyMute();
    });
    /** Whether the track is silent while the packet time changes. */
    this.silenced = false;
    this.packetTime = new PacketTime(this.microphone, () => this.connection?.peer, (silenced) => {
      this.silenced = silenced;
      this.#applyMute();
    });
    /** The reading of the connection's statistics before. @type {import("./sending_stats.js").Packets | null} */
    this.packets = null;
    this.reopening = false;
    /** Whether stop() waits for the server's answer, which has the recording's id. */
    this.stopping = false;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.measureTimer = undefined;
    this.microphone.addEventListener("change", () => this.#microphoneChanged());
    this.microphone.addEventListener("unplugged", () => void this.#unplugged());
  }

  get onAir() {
    return this.connection !== null;
  }

  /** Open the microphone without sending. A failure is in `broadcast.trouble`. */
  async preview() {
    if (this.broadcast.phase !== "idle") return;
    this.#set({ phase: "asking", trouble: null });
    this.#set({ phase: (await this.#openMicrophone()) ? "preview" : "idle" });
  }

  /** Close the microphone, unless on air. */
  stopPreview() {
    if (this.onAir || this.broadcast.phase === "idle") return;
    this.microphone.close();
    this.#set({ phase: "idle", settings: null, silent: false, steady: false, substitute: "" });
  }

  /**
   * Go on air, or take over the user's own broadcast if it is still live. It stays muted if it was.
   * @param {string} username @param {string} title @param {import("../state/types.js").Status} [status] of the own broadcast, if known
   */
  async start(username, title, status) {
    if (this.onAir) return;
    this.title = title;
    this.takesOver = Boolean(status?.live);
    this.muteNews.unsent = this.broadcast.muted ? "pressed" : null;
    this.#set({ phase: "connecting", trouble: null, muted: this.broadcast.muted || Boolean(status?.muted) });
    this.#applyMute(); // the preview's track is not muted
    if (!this.microphone.stream && !(await this.#openMicrophone())) return this.#set({ phase: "idle" });
    const connection = new Connection((retry) => this.#plan(username, retry));
    this.connection = connection;
    connection.addEventListener("down", () => this.#set({ phase: "reconnecting", network_ms: null, packet_ms: null }));
    connection.addEventListener("up", () => this.#set({ phase: "live", trouble: null }));
    connection.addEventListener("lost", (event) => this.#goOffAir(asProblem(/** @type {CustomEvent} */ (event).detail)));
    try {
      await connection.open();
    } catch (error) {
      if (this.connection === connection) this.#goOffAir(asProblem(error));
      return;
    }
    this.measureTimer = setInterval(() => void this.#measure(), MEASURE_EVERY_MS);
  }

  /** End the broadcast, also one that another device sends. */
  async stop() {
    this.stopping = true;
    if (this.onAir) this.#set({ phase: "stopping", network_ms: null, packet_ms: null });
    this.connection?.close(false); // api.stop() ends it; a DELETE would race with that, and has no recording id in its answer
    /** @type {number | null} */
    let recording = null;
    try {
      recording = (await api.stop()).recording;
    } catch (error) {
      const problem = asProblem(error);
      if (problem.code !== "not_live") return this.#goOffAir(problem);
    } finally {
      this.stopping = false;
    }
    this.ended(recording);
  }

  /** Called when the server says that the broadcast has ended. @param {number | null} recording */
  ended(recording) {
    if (this.stopping) return;
    this.#goOffAir(null);
    this.dispatchEvent(new CustomEvent("stopped", { detail: recording }));
  }

  /** Mute the microphone at once, and tell the server, which enforces it for every client. @param {boolean} muted */
  mute(muted) {
    this.#set({ muted });
    this.#applyMute();
    void this.muteNews.tell("pressed");
  }

  /**
   * Adopt the server's status of the own broadcast, unless a newer choice has not reached the server yet. A server that leaves is left for
   * another one.
   * @param {import("../state/types.js").Status} status
   */
  follow({ live, muted, leaving, node }) {
    const { connection } = this;
    if (connection && live && leaving && nodeOf(connection.peer?.location) === node) void move(connection, { prepare: async () => undefined, take: () => this.#moved(), drop: () => undefined });
    if (!this.onAir || !live || this.muteNews.sending) return;
    if (this.muteNews.unsent) return void this.muteNews.send();
    if (muted === this.broadcast.muted) return;
    this.#set({ muted });
    this.#applyMute();
  }

  /** Another server has the broadcast now; it may not have heard of the last mute. */
  #moved() {
    this.packets = null;
    void this.muteNews.tell("moved");
  }

  /** Choose for this broadcast or the next one; another microphone or echo cancellation takes effect at once. @param {Partial<Pick<OwnBroadcast, "device" | "echo" | "profile" | "denoiser" | "strength_db" | "record">>} wish */
  async choose(wish) {
    const before = wishOf(this.broadcast);
    this.#set("device" in wish ? { ...wish, substitute: "" } : wish);
    if (this.microphone.stream && ("device" in wish || "echo" in wish || !isSame(before, wishOf(this.broadcast)))) await this.#reopen();
  }

  /** Change the packet time when nobody hears it happen. @param {number} ms */
  async setPacketTime(ms) {
    if (ms > 0 && this.onAir) await this.packetTime.request(ms);
  }

  /** Enable or disable the track, as muting and silence require. */
  #applyMute() {
    if (this.microphone.track) this.microphone.track.enabled = !this.broadcast.muted && !this.silenced;
  }

  /** @param {string} username @param {{forgotten: boolean} | null} retry @returns {Promise<import("./peer.js").Plan>} */
  async #plan(username, retry) {
    if (retry) {
      const status = await api.status(username, ANSWER_WITHIN_MS);
      if (retry.forgotten && status.state === "live") throw new Problem(409, "taken_over", "");
      if (retry.forgotten && status.state === "ended") throw new Problem(410, "ended", "");
    }
    const { profile, denoiser, record } = this.broadcast;
    return { url: whipUrl(username, profile, this.title, this.takesOver || retry !== null, denoiser, record), track: this.microphone.track };
  }

  /** Open the chosen microphone, or the browser's choice where that one is gone. @returns {Promise<boolean>} */
  async #openMicrophone() {
    const wish = wishOf(this.broadcast);
    let substitute = false;
    try {
      try {
        await this.microphone.open(wish);
      } catch (error) {
        if (!wish.device || asProblem(error).code !== "no_microphone") throw error;
        substitute = true;
        await this.microphone.open({ ...wish, device: "" });
      }
    } catch (error) {
      this.#set({ trouble: asProblem(error).trouble() });
      return false;
    }
    this.#applyMute(); // a new track is enabled; a muted broadcaster stays muted
    if (!isSame(wish, wishOf(this.broadcast))) return this.#openMicrophone(); // another choice came meanwhile, say from the account's preferences
    const settings = this.microphone.track?.getSettings() ?? null;
    this.#set({ settings, device: settings?.deviceId ?? wish.device, trouble: null, ...(substitute ? { substitute: this.microphone.label } : {}) });
    return true;
  }

  /** Open the microphone again, and send the new one. @returns {Promise<boolean>} */
  async #reopen() {
    this.reopening = true;
    const opened = await this.#openMicrophone();
    this.reopening = false;
    if (opened && this.microphone.track) await this.connection?.replace(this.microphone.track);
    return opened;
  }

  /** Go on with another microphone if there is one, and say which. */
  async #unplugged() {
    const trouble = { code: "unplugged", detail: "" };
    this.#set({ device: "", substitute: "", trouble });
    if (await this.#reopen()) return this.#set({ substitute: this.microphone.label });
    this.#set({ trouble });
    this.stopPreview();
  }

  /** The list of microphones, or what they hear, has changed. After one was unplugged, take what is plugged in. */
  #microphoneChanged() {
    const { devices, silent, steady } = this.microphone;
    this.#set({ devices, silent, steady });
    if (this.onAir && !this.reopening && devices.length && this.broadcast.trouble?.code === "unplugged") void this.#unplugged();
  }

  /** @param {Problem | null} problem */
  #goOffAir(problem) {
    clearInterval(this.measureTimer);
    this.connection?.close(false);
    this.connection = null;
    this.silenced = false;
    this.packetTime.forget();
    this.muteNews.forget();
    this.packets = null;
    this.#set({ phase: this.microphone.stream ? "preview" : "idle", muted: false, trouble: problem?.trouble() ?? null, network_ms: null, packet_ms: null });
    this.#applyMute();
  }

  async #measure() {
    const stats = [...((await this.connection?.peer?.connection.getStats())?.values() ?? [])];
    if (!stats.length || this.broadcast.phase !== "live") return;
    const packets = packetsOf(stats);
    const packet_ms = packetTime(this.packets, packets);
    this.packets = packets;
    this.#set({ network_ms: roundTrip(stats), packet_ms });
  }

  /** @param {Partial<OwnBroadcast>} change */
  #set(change) {
    this.broadcast = { ...this.broadcast, ...change };
    this.dispatchEvent(new Event("change"));
  }
}
