/** Says changes of state through one polite live region: each of them, in their order, and the same text again where it is said again. */

import { setText } from "./dom.js";

/** A text that is replaced sooner may never be read out. */
const SHOWN_MS = 400;
/** The region is empty for so long before the next text, so that an equal one is a change. */
const EMPTY_MS = 50;
/** Of more that wait the oldest are no news any more. */
const MOST_WAITING = 8;

export class LiveRegion {
  /** @param {Element} element */
  constructor(element) {
    this.element = element;
    /** @type {string[]} */
    this.waiting = [];
    this.busy = false;
  }

  /** @param {string} text */
  say(text) {
    if (!text || this.waiting.at(-1) === text) return;
    this.waiting.push(text);
    if (this.waiting.length > MOST_WAITING) this.waiting.shift();
    if (!this.busy) this.#next();
  }

  #next() {
    const text = this.waiting.shift();
    this.busy = text !== undefined;
    if (text === undefined) return;
    setText(this.element, "");
    setTimeout(() => {
      setText(this.element, text);
      setTimeout(() => this.#next(), SHOWN_MS);
    }, EMPTY_MS);
  }
}
