/** The one state object, which is rendered once after each batch of changes. */

import { idleBroadcast } from "../rtc/broadcaster.js";
import { notHearingYourself } from "../rtc/hear_yourself.js";
import { notListening } from "../rtc/listener.js";
import { emptyPlayer } from "./player.js";

/** @typedef {import("./types.js").State} State */

/** @param {import("./types.js").Route} route @param {string | null} claim @returns {State} */
export function firstState(route, claim) {
  return {
    route, claim, me: undefined, friends: null, requests: { incoming: [], outgoing: [] }, denoisers: [], online: true, away: false, broadcast: idleBroadcast(), marks: [], phones: 0, yourself: notHearingYourself(),
    statuses: {}, clocks: {}, lost: {}, cues: {}, recordings: {}, listening: notListening(), player: emptyPlayer(), deleted: [], toast: null, outdated: false, keys: true,
  };
}

export class Store {
  /** @param {State} state @param {(state: State) => void} render called once after each batch of changes */
  constructor(state, render) {
    this.state = state;
    this.render = render;
    this.waiting = false;
  }

  /** @param {Partial<State>} change */
  set(change) {
    this.state = { ...this.state, ...change };
    if (this.waiting) return;
    this.waiting = true;
    queueMicrotask(() => {
      this.waiting = false;
      this.render(this.state);
    });
  }
}
