/** A connection that is kept up: one Peer at a time, restarted or replaced when it fails. */

import { asProblem, Problem } from "../server/api.js";
import { Peer } from "./peer.js";

/** @typedef {import("./peer.js").Plan} Plan */

const BACKOFF_MS = [200, 600, 1500, 3000];
/** Recovery ends after this long without a connection. */
const GIVE_UP_MS = 60_000;

/** Whether a retry would get the same answer. @param {Problem} problem */
export function isFinal(problem) {
  return problem.status >= 400 && problem.status < 500 && problem.status !== 408 && problem.status !== 429;
}

/** @param {number} attempt counted from 0 */
export function backoff(attempt) {
  return /** @type {number} */ (BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)]);
}

/**
 * Events: `up`, `down` (trying again), `lost` (detail: Problem; over), `track` (detail: MediaStream).
 * `plan` is asked before every new connection and may throw Problem to end it ("taken over", "ended"); `forgotten` tells it
 * that the server no longer knows the last one.
 */
export class Connection extends EventTarget {
  /** @param {(again: {forgotten: boolean} | null) => Promise<Plan>} plan */
  constructor(plan) {
    super();
    this.plan = plan;
    /** @type {Peer | null} */
    this.peer = null;
    this.closed = false;
    this.recovering = false;
    /** @type {(() => void) | null} */
    this.hurry = null;
    this.wake = () => this.hurry?.();
  }

  /** The first connection; throws Problem, after which the connection is closed. */
  async open() {
    globalThis.addEventListener("online", this.wake);
    try {
      await this.#fresh(null);
    } catch (error) {
      this.close(true);
      throw asProblem(error);
    }
  }

  /** @param {boolean} tell whether the server should hear of it */
  close(tell) {
    this.closed = true;
    globalThis.removeEventListener("online", this.wake);
    this.hurry?.();
    this.peer?.close(tell);
    this.peer = null;
  }

  /** @param {{forgotten: boolean} | null} again */
  async #fresh(again) {
    const plan = await this.plan(again);
    if (this.closed) return;
    const peer = new Peer(plan);
    this.peer = peer;
    peer.addEventListener("track", (event) => this.dispatchEvent(new CustomEvent("track", { detail: /** @type {CustomEvent} */ (event).detail })));
    try {
      await peer.open();
    } catch (error) {
      peer.close(again === null); // a failed first attempt releases its session; a failed retry must not stop the broadcast that it was to take over
      throw error;
    }
    peer.addEventListener("down", () => void this.#recover(peer));
    if (!this.closed) this.dispatchEvent(new Event("up"));
  }

  /** @param {Peer} peer that went down */
  async #recover(peer) {
    if (this.closed || this.recovering || peer !== this.peer) return;
    this.recovering = true;
    this.dispatchEvent(new Event("down"));
    const problem = await this.#tryAgain(peer);
    this.recovering = false;
    if (!problem || this.closed) return;
    this.close(false);
    this.dispatchEvent(new CustomEvent("lost", { detail: problem }));
  }

  /** @param {Peer} old @returns {Promise<Problem | null>} null once it is up again (or closed) */
  async #tryAgain(old) {
    const since = performance.now();
    let forgotten = old.dismissed;
    try {
      if (!forgotten) {
        await old.restart();
        this.dispatchEvent(new Event("up"));
        return null;
      }
    } catch (error) {
      forgotten = old.dismissed || [404, 410].includes(asProblem(error).status);
    }
    old.close(false);
    let last = new Problem(0, "offline", "");
    for (let attempt = 0; !this.closed && performance.now() - since < GIVE_UP_MS; attempt += 1) {
      try {
        await this.#fresh({ forgotten });
        return null;
      } catch (error) {
        last = asProblem(error);
        if (isFinal(last)) return last;
      }
      await this.#pause(backoff(attempt));
    }
    return last;
  }

  /** Wait for the delay, or until the browser says that the network is back. @param {number} delayMs @returns {Promise<void>} */
  #pause(delayMs) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.hurry = null;
        resolve();
      };
      const timer = setTimeout(done, delayMs);
      this.hurry = done;
    });
  }
}
