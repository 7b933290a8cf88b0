/** Finds the moment to change the packet time: a pause in speech or, if the change is urgent and no pause comes, the quietest moment. Pure: levels are arguments. */

/** Wait at most this long for a pause: PAUSE_LOOKS consecutive quiet readings, LOOK_EVERY_MS apart. */
export const PAUSE_WITHIN_MS = 8000;
const PAUSE_LOOKS = 5;
export const LOOK_EVERY_MS = 30;
/** Measure the quietest level for this long, then take the first moment that is as quiet. */
const LEARN_MS = 4000;

export class QuietMoment {
  constructor() {
    this.looks = 0;
    this.quietest = Infinity;
  }

  /**
   * @param {number} passedMs since the wait began
   * @param {boolean} pausing nobody seems to speak
   * @param {number} level dBFS
   * @param {boolean} urgent the change is needed even without a pause
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
