/** Tells the server whether the broadcaster is muted, until it has heard the newest choice. Never touches the DOM. */

import { api, asProblem } from "../server/api.js";
import { isFinal } from "./connection.js";
import { ANSWER_WITHIN_MS } from "./peer.js";

/** @typedef {import("../server/api.js").Problem} Problem */
/** Why the server is to be told: somebody has pressed a button, or another server has the broadcast and may have missed that. @typedef {"pressed" | "moved"} Why */

/** What could not be told is told again after this long. */
const AGAIN_MS = 500;

export class MuteNews {
  /**
   * @param {() => boolean | null} muted the choice; null where it is of no use: not on air
   * @param {(problem: Problem) => void} refused what somebody pressed could not be told: the microphone has to stay muted
   */
  constructor(muted, refused) {
    this.muted = muted;
    this.refused = refused;
    /** @type {Why | null} */
    this.unsent = null;
    this.sending = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @param {Why} why */
  async tell(why) {
    if (this.unsent !== "pressed") this.unsent = why;
    await this.send();
  }

  /**
   * Send until the server has it. A mute is sent again, and so is what nobody has pressed: where a server leaves, a request may meet
   * none, and nobody is to be muted by that. It is soon, but at the next call where the server has refused. An unmute that fails is given up.
   */
  async send() {
    if (this.sending) return;
    this.sending = true;
    clearTimeout(this.timer);
    /** @type {Why | null} */
    let why = null;
    let isRefused = false;
    try {
      for (let muted = this.muted(); this.unsent && muted !== null; muted = this.muted()) {
        why = this.unsent;
        this.unsent = null;
        await api.mute(muted, ANSWER_WITHIN_MS);
      }
    } catch (error) {
      const problem = asProblem(error);
      isRefused = isFinal(problem);
      this.#failed(problem, why);
    } finally {
      this.sending = false;
      if (this.unsent && !isRefused && this.muted() !== null) this.timer = setTimeout(() => void this.send(), AGAIN_MS);
    }
  }

  /** @param {Problem} problem @param {Why | null} why */
  #failed(problem, why) {
    const muted = this.muted();
    if (muted === null) return;
    if (muted || problem.code === "not_live" || why === "moved") this.unsent ??= why;
    else this.refused(problem);
  }

  forget() {
    clearTimeout(this.timer);
    this.unsent = null;
  }
}
