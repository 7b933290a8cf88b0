/** A phone beside this computer, as the owner's page sees it. Events: `remote` (detail: action), `devices` (detail: how many others). */

import { api } from "./api.js";
import { forOthers } from "../page/links.js";
import { Socket } from "./socket.js";

export class Pairing extends EventTarget {
  constructor() {
    super();
    /** @type {Socket | null} */
    this.socket = null;
    this.id = "";
    this.url = "";
  }

  /** The session of this kind, made where there is none; an old one of another kind ends. @param {"practice" | "remote"} kind */
  async open(kind) {
    await this.close();
    const { id, join_url } = await api.companion(kind);
    this.id = id;
    this.url = join_url;
    const socket = new Socket(`/ws/session/${encodeURIComponent(id)}`);
    this.socket = socket;
    socket.addEventListener("remote", (event) => this.dispatchEvent(new CustomEvent("remote", { detail: /** @type {CustomEvent} */ (event).detail.action })));
    socket.addEventListener("connection_update", (event) => this.dispatchEvent(new CustomEvent("devices", { detail: /** @type {CustomEvent} */ (event).detail.devices - 1 })));
    socket.connect();
    return { id, url: forOthers(join_url) };
  }

  async close() {
    const { id } = this;
    this.socket?.close();
    this.socket = null;
    this.id = "";
    if (id) await api.endCompanion(id).catch(() => undefined); // it may have run out by itself
  }
}
