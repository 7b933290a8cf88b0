/** A WebSocket that reconnects with back-off. Messages are JSON {type, data}. Never touches the DOM. */

const PING_EVERY_MS = 10_000;
const SILENT_AFTER_MS = 25_000;
/** A proxy may hold the handshake back without an answer. */
const DIAL_WITHIN_MS = 10_000;
/** How long a socket may take to answer after the network has changed. */
const ANSWER_WITHIN_MS = 3000;
const BACKOFF_MS = [300, 1000, 2000, 4000, 8000];
const FINAL = new Set([4401, 4403, 4404]);

/** Events: `back` (a socket that was down is open again: the server may be another one). */
export const socketEvents = new EventTarget();

/**
 * Events: `open`, `down` (reconnects), `refused` (detail: close code; does not reconnect), and one per message type with its data as detail.
 */
export class Socket extends EventTarget {
  /** @param {string} path such as /ws/presence */
  constructor(path) {
    super();
    this.path = path;
    this.open = false;
    this.wasDown = false;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.closed = false;
    this.attempt = 0;
    this.receivedAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.wake = () => (this.open ? this.#probe() : this.#reconnectIn(0));
  }

  connect() {
    for (const type of ["online", "offline"]) globalThis.addEventListener(type, this.wake);
    this.#dial();
    return this;
  }

  close() {
    this.closed = true;
    for (const type of ["online", "offline"]) globalThis.removeEventListener(type, this.wake);
    clearTimeout(this.timer);
    this.socket?.close();
    this.socket = null;
  }

  /** @param {string} type @param {Record<string, unknown>} data  @returns {boolean} whether it was sent */
  send(type, data) {
    if (!this.open || !this.socket) return false;
    this.socket.send(JSON.stringify({ type, data }));
    return true;
  }

  #dial() {
    if (this.closed) return;
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${this.path}`);
    this.socket = socket;
    this.timer = setTimeout(() => this.#giveUp(socket), DIAL_WITHIN_MS);
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = (event) => this.socket === socket && this.#received(event);
    socket.onclose = (event) => this.#ended(socket, event.code);
  }

  /** @param {WebSocket} socket */
  #opened(socket) {
    if (this.socket !== socket) return;
    clearTimeout(this.timer);
    this.open = true;
    if (this.wasDown) socketEvents.dispatchEvent(new Event("back"));
    this.wasDown = false;
    this.receivedAt = performance.now();
    this.dispatchEvent(new Event("open"));
    this.timer = setTimeout(() => this.#ping(socket), PING_EVERY_MS);
  }

  /** @param {WebSocket} socket */
  #ping(socket) {
    if (this.socket !== socket) return;
    if (performance.now() - this.receivedAt > SILENT_AFTER_MS) return this.#giveUp(socket);
    this.send("ping", { timestamp: Date.now() });
    this.timer = setTimeout(() => this.#ping(socket), PING_EVERY_MS);
  }

  /** Find out whether the socket still leads anywhere. */
  #probe() {
    const { socket } = this;
    const askedAt = performance.now();
    if (!socket || !this.send("ping", { timestamp: Date.now() })) return;
    setTimeout(() => this.socket === socket && this.receivedAt < askedAt && this.#giveUp(socket), ANSWER_WITHIN_MS);
  }

  /** Close a socket that does not answer, and dial again; the browser's own close event may be minutes late. @param {WebSocket} socket */
  #giveUp(socket) {
    socket.close();
    this.#ended(socket, 1006);
  }

  /** @param {MessageEvent} event */
  #received(event) {
    this.receivedAt = performance.now();
    this.attempt = 0;
    /** @type {{type?: unknown, data?: unknown}} */
    let message;
    try {
      message = JSON.parse(event.data);
    } catch {
      return;
    }
    if (typeof message.type === "string" && message.type !== "pong") this.dispatchEvent(new CustomEvent(message.type, { detail: message.data ?? {} }));
  }

  /** @param {WebSocket} socket @param {number} code */
  #ended(socket, code) {
    if (this.socket !== socket) return;
    this.socket = null;
    this.open = false;
    clearTimeout(this.timer);
    if (this.closed) return;
    if (FINAL.has(code)) {
      this.dispatchEvent(new CustomEvent("refused", { detail: code }));
      return;
    }
    this.wasDown = true;
    this.dispatchEvent(new Event("down"));
    this.#reconnectIn(/** @type {number} */ (BACKOFF_MS[Math.min(this.attempt, BACKOFF_MS.length - 1)]));
    this.attempt += 1;
  }

  /** @param {number} delayMs */
  #reconnectIn(delayMs) {
    if (this.closed || this.socket) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#dial(), delayMs * (0.75 + Math.random() / 2));
  }
}
