/** A WebSocket that reconnects with back-off: JSON messages {type, data}, its own ping. Does not touch the page. */

const PING_EVERY_MS = 10_000;
const SILENT_AFTER_MS = 25_000;
const BACKOFF_MS = [300, 1000, 2000, 4000, 8000];
const FINAL = new Set([4401, 4403, 4404]);

/**
 * Events: `open`, `down` (will try again), `refused` (detail = close code; will not), and one event per message type with its data as detail.
 */
export class Socket extends EventTarget {
  /** @param {string} path such as /ws/presence */
  constructor(path) {
    super();
    this.path = path;
    this.open = false;
    /** @type {WebSocket | null} */
    this.wire = null;
    this.closed = false;
    this.attempt = 0;
    this.heardAt = 0;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    this.wake = () => this.#again(0);
  }

  connect() {
    globalThis.addEventListener("online", this.wake);
    this.#dial();
    return this;
  }

  close() {
    this.closed = true;
    globalThis.removeEventListener("online", this.wake);
    clearTimeout(this.timer);
    this.wire?.close();
    this.wire = null;
  }

  /** @param {string} type @param {Record<string, unknown>} data  @returns {boolean} whether it could be sent now */
  send(type, data) {
    if (!this.open || !this.wire) return false;
    this.wire.send(JSON.stringify({ type, data }));
    return true;
  }

  #dial() {
    if (this.closed) return;
    const wire = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${this.path}`);
    this.wire = wire;
    wire.onopen = () => this.#opened(wire);
    wire.onmessage = (event) => this.#heard(event);
    wire.onclose = (event) => this.#ended(wire, event.code);
  }

  /** @param {WebSocket} wire */
  #opened(wire) {
    if (this.wire !== wire) return;
    this.open = true;
    this.heardAt = performance.now();
    this.dispatchEvent(new Event("open"));
    this.timer = setTimeout(() => this.#ping(wire), PING_EVERY_MS);
  }

  /** @param {WebSocket} wire */
  #ping(wire) {
    if (this.wire !== wire) return;
    if (performance.now() - this.heardAt > SILENT_AFTER_MS) return void wire.close();
    this.send("ping", { timestamp: Date.now() });
    this.timer = setTimeout(() => this.#ping(wire), PING_EVERY_MS);
  }

  /** @param {MessageEvent} event */
  #heard(event) {
    this.heardAt = performance.now();
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

  /** @param {WebSocket} wire @param {number} code */
  #ended(wire, code) {
    if (this.wire !== wire) return;
    this.wire = null;
    this.open = false;
    clearTimeout(this.timer);
    if (this.closed) return;
    if (FINAL.has(code)) {
      this.dispatchEvent(new CustomEvent("refused", { detail: code }));
      return;
    }
    this.dispatchEvent(new Event("down"));
    this.#again(/** @type {number} */ (BACKOFF_MS[Math.min(this.attempt, BACKOFF_MS.length - 1)]));
    this.attempt += 1;
  }

  /** @param {number} delayMs */
  #again(delayMs) {
    if (this.closed || this.wire) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#dial(), delayMs * (0.75 + Math.random() / 2));
  }
}
