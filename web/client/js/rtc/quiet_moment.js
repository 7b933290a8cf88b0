/** When the packet time may change: in a pause, or, where it must change and no pause comes, at the quietest moment. Pure: levels are arguments. */

/** A pause is awaited for at most this long; it is a pause when this many consecutive readings, this far apart, are quiet. */
export const PAUSE_WITHIN_MS = 8000;
const PAUSE_LOOKS = 5;
export const LOOK_EVERY_MS = 30;
/** The quietest level is measured for this long; then the first moment as quiet is taken. */
const LEARN_MS = 4000;

export class QuietMoment {
  constructor() {
    this.looks = 0;
    this.quietest = Infinity;
  }

  /**
   * @param {number} passedMs since the waiting began
   * @param {boolean} pausing nobody speaks, as it seems
   * @param {number} level dBFS
   * @param {boolean} urgent it has to be, pause or not
   * @returns {"now" | "later" | "never"}
   */
  look(passedMs, pausing, level, urgent) {
    this.looks = pausing ? this.looks + 1 : 0;
    if (this.looks === PAUSE_LOOKS) return "now";
    if (passedMs >= PAUSE_WITHIN_MS) return urgent ? "now" : "never";
    if (passedMs < LEARN_MS) this.quietest = Math.min(this.quietest, level);
    else if (urgent && level <= this.quietest) return "now";
    return "later";
  }
}
