/** The one state object and its one render. */

import { silentAir } from "../rtc/broadcaster.js";
import { deafEar } from "../rtc/listener.js";
import { quietPlayer } from "./player.js";

/** @typedef {import("./types.js").State} State */

/** @param {import("./types.js").Route} route @param {string | null} claim @returns {State} */
export function firstState(route, claim) {
  return {
    route, claim, me: undefined, friends: null, requests: { incoming: [], outgoing: [] }, denoisers: [], online: false, air: silentAir(),
    statuses: {}, clocks: {}, recordings: {}, ear: deafEar(), player: quietPlayer(), folded: [], toast: null, keys: localStorage.getItem("keys") !== "off",
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
