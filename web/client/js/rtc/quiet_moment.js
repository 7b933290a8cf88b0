/** When packets may change their length: in a pause or, where it has to be and none comes, where it is quietest. Pure: it is told what is heard. */

/** A pause in speech is waited for at most so long; it is one where it was quiet at so many looks, so far apart. */
export const PAUSE_WITHIN_MS = 8000;
const PAUSE_LOOKS = 5;
export const LOOK_EVERY_MS = 30;
/** So long it is heard how quiet it gets; then the next moment that is as quiet is taken. */
const LEARN_MS = 4000;

export class Moment {
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
