/** Keeps the screen on while on air: a phone that sleeps suspends the tab and its microphone. */

export class WakeLock {
  constructor() {
    /** @type {WakeLockSentinel | null} */
    this.lock = null;
    this.wanted = false;
    document.addEventListener("visibilitychange", () => void this.#ask()); // the browser releases the lock of a hidden page
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
      // low battery, or not allowed: the page works without it
    }
  }
}
