/** Reloads a page that is of another build than the server, as soon as that loses nothing. */

import { api, apiEvents } from "../server/api.js";
import { socketEvents } from "../server/socket.js";
import { frame as words } from "../words/people.js";

/** @typedef {import("./types.js").State} State */

const CHECK_EVERY_MS = 1000;
/** The build for which this tab has reloaded itself: it does so once, as a cache or a second server may still have the old page. */
const STORAGE_KEY = "reloaded-for";

/** Whether a reload would interrupt or forget nothing that is in the state: that a broadcast will not be recorded is not remembered. Pure. @param {State} state */
export function isIdle({ broadcast, listening, player, deleted, toast }) {
  const isOffAir = broadcast.phase === "idle" || broadcast.phase === "preview";
  return broadcast.record && isOffAir && listening.phase === "off" && player.recording === null && !deleted.length && !toast?.action;
}

export class BuildWatch {
  /**
   * @param {import("./app.js").App} app
   * @param {string | null} own the page's build; null if it is served as modules, which are not watched
   * @param {() => boolean} isEditing whether something is typed or a dialog is open
   */
  constructor(app, own, isEditing) {
    this.app = app;
    this.own = own;
    this.isEditing = isEditing;
    if (own && sessionStorage.getItem(STORAGE_KEY) === own) this.#renewed();
    socketEvents.addEventListener("back", () => {
      if (own && !app.state.me) void api.me().catch(() => undefined); // guests and companion devices ask for nothing else; each answer names the build
    });
    apiEvents.addEventListener("build", (event) => this.#told(/** @type {CustomEvent<string>} */ (event).detail));
  }

  #renewed() {
    sessionStorage.removeItem(STORAGE_KEY);
    this.app.toast({ text: words.reloaded });
  }

  /** @param {string} build of the server */
  #told(build) {
    if (!this.own || build === this.own || this.app.state.outdated) return;
    this.app.store.set({ outdated: true });
    this.app.announce(words.newer);
    if (sessionStorage.getItem(STORAGE_KEY) === build) return;
    const timer = setInterval(() => {
      if (!isIdle(this.app.state) || this.app.companionSession.socket || this.isEditing()) return;
      clearInterval(timer);
      sessionStorage.setItem(STORAGE_KEY, build);
      location.reload();
    }, CHECK_EVERY_MS);
  }
}
