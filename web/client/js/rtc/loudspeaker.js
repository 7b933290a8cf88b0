/** Plays one received stream, up to twice as loud as it was sent, on the loudspeaker that was chosen. Not in the DOM. */

import { audioContext } from "./meter.js";

/**
 * Set a DynamicsCompressorNode up as a limiter: above -3 dBFS nearly nothing gets louder. The node adds make-up gain (Web Audio 1.1,
 * §1.19.4), which takes what is below a little up; `UNDO_MAKE_UP` takes that back.
 * @param {BaseAudioContext} context
 */
export function limiter(context) {
  return new DynamicsCompressorNode(context, { threshold: -3, knee: 0, ratio: 20, attack: 0.001, release: 0.1 });
}

/** (full-range gain)^-0.6 of the limiter is +1.71 dB. */
const UNDO_MAKE_UP = 10 ** (-1.71 / 20);

/**
 * The way to twice the volume: gain, limiter, and a ceiling for the few samples that pass before the limiter acts.
 * @param {BaseAudioContext} context @returns {{gain: GainNode, output: AudioNode}}
 */
export function amplifier(context) {
  const gain = new GainNode(context, { gain: 1 });
  const down = new GainNode(context, { gain: UNDO_MAKE_UP });
  const ceiling = new WaveShaperNode(context, { curve: Float32Array.of(-1, 0, 1) }); // beyond its ends the curve is level
  gain.connect(limiter(context)).connect(down).connect(ceiling);
  return { gain, output: ceiling };
}

export class Loudspeaker {
  constructor() {
    this.audio = new Audio();
    /** A second element for the amplified sound; Chromium gives a received stream's sound to Web Audio only while an element plays it. @type {HTMLAudioElement | null} */
    this.loud = null;
    /** @type {{gain: GainNode, source: MediaStreamAudioSourceNode} | null} */
    this.amplified = null;
    /** @type {MediaStream | null} */
    this.stream = null;
    this.volume = 1;
    this.muted = false;
    this.device = "";
    /** @type {() => void} */
    this.refused = () => undefined;
  }

  /** @param {MediaStream | null} stream null: silence @param {() => void} [refused] called if the browser waits for a click first */
  play(stream, refused = () => undefined) {
    this.#drop();
    this.stream = stream;
    this.refused = refused;
    this.audio.srcObject = stream;
    if (!stream) return;
    this.#apply();
    this.#start(this.audio);
  }

  /**
   * Begin to play another stream unheard, beside the present one: `take` lets it be heard instead, without a gap, `drop` ends it. Throws
   * DOMException if the browser does not play it. Safari pauses what began muted without a click when it is unmuted, so it is played again
   * while the present one is still heard; if the browser refuses that, `refused` of `play` is called.
   * @param {MediaStream} stream @returns {Promise<{take: () => void, drop: () => void}>}
   */
  async beside(stream) {
    const next = new Audio();
    next.muted = true;
    next.srcObject = stream;
    const { device } = this;
    if (device) await sink(next, device).catch(() => undefined); // it is gone: the system's choice is heard
    await next.play();
    const take = () => {
      const before = this.audio;
      this.#drop();
      this.audio = next;
      this.stream = stream;
      if (this.device !== device) void sink(next, this.device).catch(() => undefined); // chosen meanwhile
      this.#apply();
      if (next.paused) this.#start(next);
      before.muted = true;
      before.srcObject = null;
    };
    return { take, drop: () => (next.srcObject = null) };
  }

  /** Try again after a click. If the browser refuses once more, `refused` is called again. */
  async resume() {
    for (const element of [this.audio, this.loud]) if (element?.srcObject && element.paused) await element.play().catch(() => this.refused());
  }

  /** @param {number} volume 0 to 2, 1 as it was sent */
  setVolume(volume) {
    this.volume = Math.min(2, Math.max(0, volume));
    this.#apply();
  }

  /** @param {boolean} muted */
  mute(muted) {
    this.muted = muted;
    this.#apply();
  }

  /** Whether this browser can choose a loudspeaker. */
  static get canChoose() {
    return "setSinkId" in HTMLMediaElement.prototype;
  }

  /** Play on this loudspeaker; "" is the system's choice. Throws DOMException if it is not there or not allowed. @param {string} device */
  async choose(device) {
    if (!Loudspeaker.canChoose) return;
    await sink(this.audio, device);
    if (this.loud) await sink(this.loud, device);
    this.device = device;
  }

  /** Up to 1 the element plays the stream itself, which takes the least time; above it plays silently, and a second one plays it amplified. */
  #apply() {
    const amplify = this.volume > 1 && this.stream !== null;
    if (amplify && !this.amplified) this.#amplify(/** @type {MediaStream} */ (this.stream));
    if (!amplify) this.#drop();
    this.audio.muted = this.muted || amplify;
    this.audio.volume = Math.min(1, this.volume);
    if (this.loud) this.loud.muted = this.muted;
    this.amplified?.gain.gain.setTargetAtTime(this.volume, this.amplified.gain.context.currentTime, 0.02);
  }

  /** @param {MediaStream} stream */
  #amplify(stream) {
    const context = audioContext();
    const source = context.createMediaStreamSource(stream);
    const { gain, output } = amplifier(context);
    const out = context.createMediaStreamDestination();
    source.connect(gain);
    output.connect(out);
    this.amplified = { gain, source };
    this.loud = new Audio();
    this.loud.srcObject = out.stream;
    if (this.device) void sink(this.loud, this.device).catch(() => undefined); // it is gone: the system's choice is heard
    this.#start(this.loud);
  }

  /** @param {HTMLAudioElement} element */
  #start(element) {
    const { refused } = this;
    element.play().catch((error) => error?.name === "NotAllowedError" && refused()); // AbortError: it was replaced meanwhile
  }

  #drop() {
    this.amplified?.source.disconnect();
    this.amplified = null;
    if (this.loud) this.loud.srcObject = null;
    this.loud = null;
  }
}

/** @param {HTMLAudioElement} element @param {string} device @returns {Promise<void>} */
function sink(element, device) {
  return /** @type {HTMLAudioElement & {setSinkId: (id: string) => Promise<void>}} */ (element).setSinkId(device);
}
