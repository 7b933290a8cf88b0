/** Hear yourself: five seconds of the own voice, through the server and its denoiser, played raw and then clean. Nobody else hears it. Never touches the DOM. */

import { api, asProblem } from "../server/api.js";
import { Peer } from "./peer.js";

/** @typedef {import("../state/types.js").HearingYourself} HearingYourself */

const RECORD_S = 5;
/** The denoiser starts within this time, or what is heard is raw. */
const CLEANS_WITHIN_MS = 6000;
const LOOK_EVERY_MS = 150;

/** @returns {HearingYourself} */
export function notHearingYourself() {
  return { phase: "off", left_s: 0, cleaned: false, trouble: null };
}

/** The address with more in its query. @param {string} address @param {Record<string, string>} more */
export function withQuery(address, more) {
  const [path, query] = address.split("?");
  return `${path}?${new URLSearchParams([...new URLSearchParams(query), ...Object.entries(more)])}`;
}

/** @param {number} ms @returns {Promise<void>} */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Events: `change` (read `state`). One run at a time. */
export class HearYourself extends EventTarget {
  constructor() {
    super();
    this.state = notHearingYourself();
    /** What the run under way has opened; each is closed when it ends. @type {(() => void)[]} */
    this.opened = [];
    /** The number of the newest run: an older one ends at its next step. */
    this.run = 0;
  }

  get running() {
    return !["off", "done", "failed"].includes(this.state.phase);
  }

  /** Record and play. Call it in a click handler: browsers allow playback only then. @param {MediaStreamTrack} track of the microphone; it stays open @param {{denoise: boolean, denoiser: string}} wish */
  async start(track, wish) {
    this.stop();
    const run = this.run;
    try {
      this.#set({ phase: "connecting", left_s: RECORD_S, trouble: null, cleaned: false });
      const whep = await this.#send(track, wish);
      const cleaned = await this.#awaitDenoiser(run, wish.denoise);
      const [raw, clean] = await Promise.all([this.#hear(whep, "original"), cleaned ? this.#hear(whep, "denoised") : null]);
      const recorded = await this.#record(run, clean ? [raw, clean] : [raw]);
      this.#close();
      for (const [index, blob] of recorded.entries()) {
        if (run !== this.run) return;
        this.#set({ phase: index ? "clean" : "raw", cleaned });
        await this.#play(blob);
      }
      if (run === this.run) this.#set({ phase: "done" });
    } catch (error) {
      if (run !== this.run) return;
      this.#close();
      this.#set({ phase: "failed", trouble: asProblem(error).trouble() });
    }
  }

  /** End the run under way; may be called twice. */
  stop() {
    this.run += 1;
    this.#close();
    if (this.state.phase !== "off") this.#set(notHearingYourself());
  }

  #close() {
    for (const close of this.opened.splice(0)) close();
  }

  /** Send the microphone to the private broadcast. @param {MediaStreamTrack} track @param {{denoise: boolean, denoiser: string}} wish @returns {Promise<string>} where to hear it */
  async #send(track, { denoise, denoiser }) {
    const { run } = this;
    const { whip, whep } = await api.hearYourself();
    const own = track.clone();
    const peer = new Peer({ url: withQuery(whip, { denoise: denoise ? "1" : "0", ...(denoiser ? { denoiser } : {}) }), track: own });
    this.#own(run, () => {
      peer.close(true);
      own.stop();
    });
    await peer.open();
    return whep;
  }

  /** Wait until the broadcast is live and cleaned. @param {number} run @param {boolean} denoise @returns {Promise<boolean>} whether it is cleaned */
  async #awaitDenoiser(run, denoise) {
    const began = performance.now();
    for (;;) {
      const { live, denoise: { state } } = await api.yourself();
      if (run !== this.run) return false;
      const waited = performance.now() - began;
      if (live && (!denoise || state === "active" || (state === "bypassed" && waited > CLEANS_WITHIN_MS / 2))) return state === "active";
      if (waited > CLEANS_WITHIN_MS) return false;
      await pause(LOOK_EVERY_MS);
    }
  }

  /** @param {string} whep @param {"original" | "denoised"} variant @returns {Promise<MediaStream>} */
  async #hear(whep, variant) {
    const peer = new Peer({ url: withQuery(whep, { variant }), track: null });
    this.#own(this.run, () => peer.close(true));
    /** @type {Promise<MediaStream>} */
    const stream = new Promise((resolve) => peer.addEventListener("track", (event) => resolve(/** @type {CustomEvent<MediaStream>} */ (event).detail), { once: true }));
    await peer.open();
    return stream;
  }

  /** Record the streams while the seconds count down. @param {number} run @param {MediaStream[]} streams @returns {Promise<Blob[]>} */
  async #record(run, streams) {
    const recordings = streams.map((stream) => this.#recorder(stream));
    for (let left_s = RECORD_S; left_s > 0 && run === this.run; left_s -= 1) {
      this.#set({ phase: "recording", left_s });
      await pause(1000);
    }
    return Promise.all(recordings.map((finish) => finish()));
  }

  /** @param {MediaStream} stream @returns {() => Promise<Blob>} ends the recording */
  #recorder(stream) {
    const silent = new Audio(); // Chromium decodes a received stream only while an element plays it
    silent.muted = true;
    silent.srcObject = stream;
    void silent.play().catch(() => undefined);
    const recorder = new MediaRecorder(stream);
    /** @type {Blob[]} */
    const parts = [];
    recorder.ondataavailable = (event) => parts.push(event.data);
    recorder.start();
    return () => new Promise((resolve) => {
      const done = () => {
        silent.srcObject = null;
        resolve(new Blob(parts, { type: recorder.mimeType }));
      };
      if (recorder.state === "inactive") return done();
      recorder.onstop = done;
      recorder.stop();
    });
  }

  /** @param {Blob} blob @returns {Promise<void>} when it has been played, or stopped */
  #play(blob) {
    const url = URL.createObjectURL(blob);
    const audio = new Audio(url);
    return new Promise((resolve, reject) => {
      this.#own(this.run, () => {
        audio.pause();
        URL.revokeObjectURL(url);
        resolve();
      });
      audio.onended = () => resolve();
      audio.onerror = () => reject(new Error("unplayable"));
      audio.play().catch(reject);
    });
  }

  /** Close it with the run that opened it, which may have ended already. @param {number} run @param {() => void} close */
  #own(run, close) {
    if (run === this.run) this.opened.push(close);
    else close();
  }

  /** @param {Partial<HearingYourself>} change */
  #set(change) {
    this.state = { ...this.state, ...change };
    this.dispatchEvent(new Event("change"));
  }
}
