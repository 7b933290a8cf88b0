/** The broadcaster's side of a companion session. Events: `remote` (detail: action), `devices` (read `phones`). */

import { api } from "./api.js";
import { publicUrl } from "../page/links.js";
import { Socket } from "./socket.js";

/** Where this tab keeps the session's id, so that a phone still reaches it after a reload. */
const KEPT = "companion-session";

export class CompanionSession extends EventTarget {
  constructor() {
    super();
    /** @type {Socket | null} */
    this.socket = null;
    this.id = "";
    /** How many others are connected, as far as it is known. */
    this.phones = 0;
  }

  /** Open a companion session of this kind; one that was open ends. @param {"practice" | "remote"} kind */
  async open(kind) {
    await this.close();
    const { id, join_url } = await api.companion(kind);
    sessionStorage.setItem(KEPT, id);
    this.#connect(id);
    return { id, url: publicUrl(join_url) };
  }

  /** Go on with the session that was open before this page was loaded again. */
  resume() {
    const id = sessionStorage.getItem(KEPT);
    if (id && !this.socket) this.#connect(id);
  }

  /** @param {string} id */
  #connect(id) {
    this.id = id;
    const socket = new Socket(`/ws/session/${encodeURIComponent(id)}`);
    this.socket = socket;
    socket.addEventListener("remote", (event) => this.dispatchEvent(new CustomEvent("remote", { detail: /** @type {CustomEvent} */ (event).detail.action })));
    socket.addEventListener("connection_update", (event) => this.#count(/** @type {CustomEvent} */ (event).detail.devices - 1));
    socket.addEventListener("down", () => this.#count(0));
    socket.addEventListener("refused", () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.#forget();
    });
    socket.connect();
  }

  /** @param {number} phones */
  #count(phones) {
    this.phones = Math.max(0, phones);
    this.dispatchEvent(new Event("devices"));
  }

  #forget() {
    this.id = "";
    this.#count(0);
    sessionStorage.removeItem(KEPT);
  }

  async close() {
    const { id } = this;
    this.socket?.close();
    this.socket = null;
    this.#forget();
    if (id) await api.endCompanion(id).catch(() => undefined); // it may have expired already
  }
}
