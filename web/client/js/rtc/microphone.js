/** The microphone: asked for without the browser's own processing, watched, and let go. */

import { Problem } from "../server/api.js";
import { audioContext, FLOOR_DBFS, Meter, noiseFloor } from "./meter.js";

/** Louder than this, all the time: worth a sentence. Once said, it stays said until it is clearly quieter. */
const STEADY_DBFS = -58;
const STEADY_STAYS_DB = 8;
/** Below this level not even room noise is heard: the microphone is silent. */
const SILENT_DBFS = -75;
/** Within this distance of the noise floor nobody speaks. */
const PAUSE_DB = 6;
const LOOK_EVERY_MS = 100;
const MEMORY = 50;

/** @type {Record<string, string>} */
const CODES = {
  NotAllowedError: "refused", SecurityError: "refused", NotFoundError: "no_microphone", OverconstrainedError: "no_microphone",
  NotReadableError: "busy_microphone", AbortError: "busy_microphone",
};

/**
 * @param {{device: string, echo: boolean, stereo: boolean}} wish
 * @returns {MediaTrackConstraints} noise suppression and gain are off: what is heard as "raw" must be raw
 */
export function constraints(wish) {
  return {
    ...(wish.device ? { deviceId: { exact: wish.device } } : {}),
    noiseSuppression: false, autoGainControl: false, echoCancellation: wish.echo, channelCount: wish.stereo ? 2 : 1,
  };
}

/** Events: `unplugged`, `change` (silent or steady turned, or the list of devices). Owns its MediaStream. */
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
    this.looking = undefined;
    this.listDevices = () => void this.#list();
  }

  get track() {
    return this.stream?.getAudioTracks()[0] ?? null;
  }

  /** Whether nobody speaks at this moment; false where that is unknown. */
  get pausing() {
    if (!this.track?.enabled) return true;
    if (!this.meter || audioContext().state !== "running") return false;
    return this.level <= noiseFloor(this.levels) + PAUSE_DB;
  }

  /** How loud it is at this moment, in dBFS. */
  get level() {
    return this.meter?.read() ?? FLOOR_DBFS;
  }

  /** Whether it opens without a permission prompt. @returns {Promise<boolean>} */
  static async isAllowed() {
    try {
      const answer = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("microphone") });
      return answer.state === "granted";
    } catch {
      return false; // this browser does not tell
    }
  }

  /** Open, or open another one instead. Throws Problem. @param {{device: string, echo: boolean, stereo: boolean}} wish */
  async open(wish) {
    if (!navigator.mediaDevices) throw new Problem(0, "insecure", "");
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
    this.looking = setInterval(() => this.#look(), LOOK_EVERY_MS);
    navigator.mediaDevices.addEventListener("devicechange", this.listDevices);
    await this.#list();
  }

  close() {
    clearInterval(this.looking);
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

  #look() {
    if (!this.meter || !this.track?.enabled || audioContext().state !== "running") return;
    this.levels = [...this.levels.slice(1 - MEMORY), this.meter.read()];
    if (this.levels.length < MEMORY) return;
    const silent = Math.max(...this.levels) < SILENT_DBFS;
    const steady = noiseFloor(this.levels) > STEADY_DBFS - (this.steady ? STEADY_STAYS_DB : 0);
    if (silent === this.silent && steady === this.steady) return;
    this.silent = silent;
    this.steady = steady;
    this.dispatchEvent(new Event("change"));
  }
}
