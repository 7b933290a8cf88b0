/** The microphone: opened without the browser's own processing, and metered while it is open. */

import { Problem } from "../server/api.js";
import { audioContext, FLOOR_DBFS, Meter, noiseFloor } from "./meter.js";

/** A noise floor above this counts as steady noise, until it falls by STEADY_STAYS_DB below it. */
const STEADY_DBFS = -58;
const STEADY_STAYS_DB = 8;
/** Below this level not even room noise is heard: the microphone is silent. */
const SILENT_DBFS = -75;
/** Within this distance of the noise floor nobody speaks. */
const PAUSE_DB = 6;
const LOOK_EVERY_MS = 100;
const LEVELS_KEPT = 50;

/** @type {Record<string, string>} */
const CODES = {
  NotAllowedError: "refused", SecurityError: "refused", NotFoundError: "no_microphone", OverconstrainedError: "no_microphone",
  NotReadableError: "busy_microphone", AbortError: "busy_microphone",
};

/**
 * @param {{device: string, echo: boolean, stereo: boolean}} wish
 * @returns {MediaTrackConstraints} noise suppression and gain control are off, so that "raw" is raw
 */
export function constraints(wish) {
  return {
    ...(wish.device ? { deviceId: { exact: wish.device } } : {}),
    noiseSuppression: false, autoGainControl: false, echoCancellation: wish.echo, channelCount: wish.stereo ? 2 : 1,
  };
}

/** Events: `unplugged`, `change` (of `silent`, `steady` or `devices`). Owns its MediaStream. */
export class Microphone extends EventTarget {
  constructor() {
    super();
    /** @type {MediaStream | null} */
    this.stream = null;
    /** @type {Meter | null} */
    this.meter = null;
    /** @type {MediaDeviceInfo[]} */
    this.devices = [];
    this.silent = false;
    this.steady = false;
    /** @type {number[]} */
    this.levels = [];
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.levelTimer = undefined;
    this.listDevices = () => void this.#list();
  }

  get track() {
    return this.stream?.getAudioTracks()[0] ?? null;
  }

  /** The name of the microphone in use. */
  get label() {
    return this.track?.label ?? "";
  }

  /** Whether nobody speaks at this moment; false if that is unknown. */
  get speechPaused() {
    if (!this.track?.enabled) return true;
    if (!this.meter || audioContext().state !== "running") return false;
    return this.level <= noiseFloor(this.levels) + PAUSE_DB;
  }

  /** The level at this moment in dBFS. */
  get level() {
    return this.meter?.read() ?? FLOOR_DBFS;
  }

  /** Whether this address may have one at all: browsers give none without HTTPS. */
  static get isPossible() {
    return navigator.mediaDevices !== undefined;
  }

  /** Whether it opens without a prompt; null where the browser does not tell. @returns {Promise<PermissionStatus | null>} */
  static async permission() {
    try {
      return await navigator.permissions.query({ name: /** @type {PermissionName} */ ("microphone") });
    } catch {
      return null;
    }
  }

  /** Open a microphone, in place of the one that is open. Throws Problem. @param {{device: string, echo: boolean, stereo: boolean}} wish */
  async open(wish) {
    if (!Microphone.isPossible) throw new Problem(0, "insecure", "");
    /** @type {MediaStream} */
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ audio: constraints(wish) });
    } catch (error) {
      const name = error instanceof Error ? error.name : "";
      throw new Problem(0, CODES[name] ?? "busy_microphone", error instanceof Error ? error.message : "");
    }
    this.close();
    this.stream = stream;
    this.track?.addEventListener("ended", () => {
      if (this.stream === stream) this.dispatchEvent(new Event("unplugged"));
    });
    this.meter = new Meter(audioContext(), stream);
    this.levelTimer = setInterval(() => this.#readLevel(), LOOK_EVERY_MS);
    navigator.mediaDevices.addEventListener("devicechange", this.listDevices);
    await this.#list();
  }

  close() {
    clearInterval(this.levelTimer);
    navigator.mediaDevices?.removeEventListener("devicechange", this.listDevices);
    this.meter?.close();
    this.meter = null;
    for (const track of this.stream?.getTracks() ?? []) track.stop();
    this.stream = null;
    this.levels = [];
    this.silent = false;
    this.steady = false;
  }

  async #list() {
    const all = await navigator.mediaDevices.enumerateDevices();
    this.devices = all.filter((device) => device.kind === "audioinput" && device.deviceId !== "communications");
    this.dispatchEvent(new Event("change"));
  }

  #readLevel() {
    if (!this.meter || !this.track?.enabled || audioContext().state !== "running") return;
    this.levels = [...this.levels.slice(1 - LEVELS_KEPT), this.meter.read()];
    if (this.levels.length < LEVELS_KEPT) return;
    const silent = Math.max(...this.levels) < SILENT_DBFS;
    const steady = noiseFloor(this.levels) > STEADY_DBFS - (this.steady ? STEADY_STAYS_DB : 0);
    if (silent === this.silent && steady === this.steady) return;
    this.silent = silent;
    this.steady = steady;
    this.dispatchEvent(new Event("change"));
  }
}
