/** Measures the level of a stream on demand. */

/** Levels below this count as silence. */
export const FLOOR_DBFS = -100;

/** A timer ends the wait if the audio clock is this late. */
const LATE_MS = 1000;

/** @param {ArrayLike<number>} samples in [-1, 1] @returns {number} RMS in dBFS, FLOOR_DBFS for digital silence */
export function dbfs(samples) {
  let sum = 0;
  for (let index = 0; index < samples.length; index += 1) sum += /** @type {number} */ (samples[index]) ** 2;
  return sum ? Math.max(FLOOR_DBFS, 10 * Math.log10(sum / samples.length)) : FLOOR_DBFS;
}

/** The tenth percentile of levels: steady noise raises it, a voice does not. @param {readonly number[]} levels dBFS */
export function noiseFloor(levels) {
  const sorted = [...levels].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 10)] ?? FLOOR_DBFS;
}

/** An AnalyserNode on a stream. close() disconnects it and leaves the stream open. */
export class Meter {
  /** @param {AudioContext} context @param {MediaStream} stream */
  constructor(context, stream) {
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 2048;
    this.samples = new Float32Array(this.analyser.fftSize);
    this.source = context.createMediaStreamSource(stream);
    this.source.connect(this.analyser);
  }

  /** The level of the last 43 ms. @returns {number} dBFS */
  read() {
    this.analyser.getFloatTimeDomainData(this.samples);
    return dbfs(this.samples);
  }

  close() {
    this.source.disconnect();
  }
}

/** Wait by the audio clock if it runs: in a hidden tab, timers are up to a second late. @param {number} ms @returns {Promise<void>} */
export function wait(ms) {
  const context = audioContext();
  return new Promise((resolve) => {
    if (context.state !== "running") return void setTimeout(resolve, ms);
    const nothing = new ConstantSourceNode(context, { offset: 0 });
    const over = () => {
      clearTimeout(late);
      nothing.disconnect();
      resolve();
    };
    const late = setTimeout(over, ms + LATE_MS); // the audio clock may have stopped meanwhile
    nothing.connect(context.destination); // an unconnected node does not run
    nothing.onended = over;
    nothing.start();
    nothing.stop(context.currentTime + ms / 1000);
  });
}

/** @type {AudioContext | null} */
let shared = null;

/** The page's one AudioContext: browsers allow few, and start them only after a user gesture. */
export function audioContext() {
  shared ??= new AudioContext({ latencyHint: "interactive" });
  if (shared.state === "suspended") shared.resume().catch(() => undefined); // fails before a gesture; the next call tries again
  return shared;
}
