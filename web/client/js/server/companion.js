/** The owner's side of a companion session: devices beside this computer. Events: `remote` (detail: action), `devices` (detail: how many others). */

import { api } from "./api.js";
import { forOthers } from "../page/links.js";
import { Socket } from "./socket.js";

export class CompanionSession extends EventTarget {
  constructor() {
    super();
    /** @type {Socket | null} */
    this.socket = null;
    this.id = "";
    this.url = "";
  }

  /** Open a companion session of this kind; one that was open ends. @param {"practice" | "remote"} kind */
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
    if (id) await api.endCompanion(id).catch(() => undefined); // it may have expired already
  }
}
