/** Keeps the screen on while on air: a phone that sleeps takes its tab, and the voice, with it. */

export class WakeLock {
  constructor() {
    /** @type {WakeLockSentinel | null} */
    this.lock = null;
    this.wanted = false;
    document.addEventListener("visibilitychange", () => void this.#ask()); // a hidden page loses its lock
  }

  /** @param {boolean} on */
  async keep(on) {
    if (on === this.wanted) return;
    this.wanted = on;
    if (on) return this.#ask();
    await this.lock?.release();
    this.lock = null;
  }

  async #ask() {
    if (!this.wanted || document.hidden || !("wakeLock" in navigator)) return;
    try {
      this.lock = await navigator.wakeLock.request("screen");
    } catch {
      // low battery, or not allowed: it was only a wish
    }
  }
}
