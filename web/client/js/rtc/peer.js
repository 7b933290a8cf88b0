/** One WebRTC connection to the server with its WHIP or WHEP session. It connects once; Connection replaces it. */

import { Problem, request } from "../server/api.js";
import { iceServers, mediaPort, restartFragment, withCredentials, withPacketTime, withRepair } from "./sdp.js";

/**
 * Without an answer to a request for this long, another connection is tried. It is well below the server's grace time, for which a
 * broadcast waits for its broadcaster.
 */
export const ANSWER_WITHIN_MS = 4000;
/** Without a connection on the media port for this long, the port counts as closed. */
const CONNECTED_WITHIN_MS = 7000;
/** "disconnected" may recover by itself (RFC 7675: one missed check); after this long it is a failure. */
const DISCONNECTED_FOR_MS = 2500;
/** The steps in which a jitter buffer is let become shorter: 2 % faster nobody hears. */
const EASE_MS = 10;
const EASE_EVERY_MS = 500;

/**
 * @typedef {object} Plan
 * @property {string} url                 the WHIP or WHEP endpoint with its query
 * @property {MediaStreamTrack | null} track   what is sent; null for a listener
 * @property {string} [authorization]     a bearer token
 * @property {"auto" | "original"} [variant]   what this session sends; of a listener
 */

/**
 * Events: `up`, `down` (lost, needs restart() or another Peer), `track` (detail: MediaStream).
 * The server is ICE-lite and puts its candidates into the answer, so the offer is sent without gathering candidates.
 */
export class Peer extends EventTarget {
  /** @param {Plan} plan */
  constructor(plan) {
    super();
    this.plan = plan;
    this.connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    /** @type {string | null} */
    this.location = null;
    this.answer = "";
    this.closed = false;
    /** The last queued restart or change of packet time: one offer and answer at a time. @type {Promise<unknown>} */
    this.negotiating = Promise.resolve();
    /** How many of them run or are queued. */
    this.negotiations = 0;
    /** The wish of `setBuffer`. */
    this.bufferMs = 0;
    /** Whether the server has ended the session (DTLS close_notify), so that a restart cannot succeed. */
    this.endedByServer = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.disconnectTimer = undefined;
    this.connection.onconnectionstatechange = () => this.#connectionStateChanged();
    this.connection.ontrack = (event) => this.dispatchEvent(new CustomEvent("track", { detail: event.streams[0] ?? new MediaStream([event.track]) }));
    this.transceiver = plan.track
      ? this.connection.addTransceiver(plan.track, { direction: "sendonly", streams: [new MediaStream([plan.track])] })
      : this.connection.addTransceiver("audio", { direction: "recvonly" });
    if (plan.track) this.#preferRed();
  }

  /** Prefer RED (RFC 2198) if the browser has it: each packet repeats the one before it. */
  #preferRed() {
    const codecs = RTCRtpSender.getCapabilities("audio")?.codecs ?? [];
    const isRed = (/** @type {{mimeType: string}} */ codec) => codec.mimeType.toLowerCase() === "audio/red";
    if (codecs.some(isRed)) this.transceiver.setCodecPreferences([...codecs.filter(isRed), ...codecs.filter((codec) => !isRed(codec))]);
  }

  /** Exchange offer and answer, and wait until media can flow. Throws Problem: `no_udp` if the port is closed. */
  async open() {
    const offer = await this.connection.createOffer();
    const description = { type: offer.type, sdp: withRepair(offer.sdp ?? "") };
    await this.connection.setLocalDescription(description);
    const asked = { method: "POST", body: description.sdp, headers: this.#headers("application/sdp") };
    const response = await request(this.plan.url, asked, ANSWER_WITHIN_MS);
    this.location = new URL(response.headers.get("Location") ?? "", new URL(this.plan.url, location.href)).href;
    const servers = iceServers(response.headers.get("Link"));
    if (servers.length) this.connection.setConfiguration({ bundlePolicy: "max-bundle", iceServers: servers });
    this.answer = await response.text();
    if (this.closed) return void this.#deleteSession();
    await this.connection.setRemoteDescription({ type: "answer", sdp: this.answer });
    this.#watchTransport();
    this.setBuffer(0);
    await this.#connectedWithin(CONNECTED_WITHIN_MS);
  }

  /** Restart ICE in the same session, for example on another network. Throws Problem (404: the server does not know the session). */
  async restart() {
    if (!this.location) throw new Problem(404, "not_found", "");
    await this.#negotiate(() => this.#exchangeRestart(/** @type {string} */ (this.location)));
    await this.#connectedWithin(CONNECTED_WITHIN_MS);
  }

  /** @param {string} resource */
  async #exchangeRestart(resource) {
    const offer = await this.connection.createOffer({ iceRestart: true });
    await this.connection.setLocalDescription({ type: offer.type, sdp: withRepair(offer.sdp ?? "") });
    const headers = { ...this.#headers("application/trickle-ice-sdpfrag"), "If-Match": "*" };
    try {
      const response = await request(resource, { method: "PATCH", body: restartFragment(offer.sdp ?? ""), headers }, ANSWER_WITHIN_MS);
      this.answer = withCredentials(this.answer, await response.text());
      await this.connection.setRemoteDescription({ type: "answer", sdp: this.answer });
    } catch (error) {
      await this.#rollBack();
      throw error;
    }
  }

  /**
   * Change the packet time. The page negotiates with itself: the same offer again, and the server's last answer with another `ptime`.
   * Connection, keys, sequence numbers and clock continue. If the browser refuses, or another negotiation is under way, nothing
   * changes. If the connection closes meanwhile, this never resolves, as the browser's own promises do not.
   * @param {number} ms
   */
  async setPacketTime(ms) {
    if (!this.isStable) return;
    await this.#negotiate(async () => {
      const { connection } = this;
      const answer = withPacketTime(this.answer, ms);
      try {
        const offer = await connection.createOffer();
        await connection.setLocalDescription({ type: offer.type, sdp: withRepair(offer.sdp ?? "") });
        await connection.setRemoteDescription({ type: "answer", sdp: answer });
        this.answer = answer; // a later ICE restart keeps the packet time
      } catch (error) {
        await this.#rollBack();
        console.warn("the packets stay as long as they are:", error);
      }
    });
  }

  /** Take back an offer that was not answered: the connection is as it was. */
  async #rollBack() {
    const { connection } = this;
    if (connection.signalingState === "have-local-offer") await connection.setLocalDescription({ type: "rollback" }).catch(() => undefined);
  }

  /** Whether it looks connected; of a server that was killed the browser learns late. */
  get isConnected() {
    return !this.closed && !this.endedByServer && this.connection.connectionState === "connected";
  }

  /** Whether it is connected with no negotiation under way. */
  get isStable() {
    return this.isConnected && !this.negotiations && this.connection.signalingState === "stable";
  }

  /** @param {() => Promise<void>} exchange @returns {Promise<void>} */
  #negotiate(exchange) {
    this.negotiations += 1;
    const turn = this.negotiating.then(exchange).finally(() => (this.negotiations -= 1));
    this.negotiating = turn.catch(() => undefined); // only the caller handles the error
    return turn;
  }

  /** @param {"auto" | "original"} variant */
  async choose(variant) {
    if (!this.location) return;
    const headers = this.#headers("application/json");
    await request(`${this.location}/variant`, { method: "PUT", headers, body: JSON.stringify({ variant }) }, ANSWER_WITHIN_MS);
    this.plan.variant = variant;
  }

  /** @param {MediaStreamTrack} track */
  async replace(track) {
    await this.transceiver.sender.replaceTrack(track);
  }

  /** Close the connection; may be called twice. With `tell` the session is deleted on the server, which ends the broadcast of a broadcaster. @param {boolean} tell */
  close(tell) {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.disconnectTimer);
    this.connection.close();
    if (tell) this.#deleteSession();
  }

  #deleteSession() {
    if (!this.location) return;
    request(this.location, { method: "DELETE", keepalive: true, headers: this.#headers(null) }).catch(() => undefined); // it may be gone already
  }

  /** @param {string | null} type @returns {Record<string, string>} */
  #headers(type) {
    return { ...(type ? { "Content-Type": type } : {}), ...(this.plan.authorization ? { Authorization: `Bearer ${this.plan.authorization}` } : {}) };
  }

  /**
   * How long at least what is received waits in the jitter buffer; the browser enlarges it if the network needs more.
   * @param {number} ms @returns {boolean} whether the browser takes such wishes
   */
  setBuffer(ms) {
    if (this.plan.track) return false;
    this.bufferMs = ms;
    const receiver = /** @type {RTCRtpReceiver & {jitterBufferTarget?: number | null, playoutDelayHint?: number | null}} */ (this.transceiver.receiver);
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = ms;
    else if ("playoutDelayHint" in receiver) /** @type {{playoutDelayHint: number}} */ (receiver).playoutDelayHint = ms / 1000;
    else return false;
    return true;
  }

  /** From now on sound needs to wait no longer than the network makes it; bit by bit, for it is played faster until then. */
  easeBuffer() {
    if (this.closed || this.bufferMs <= 0) return;
    this.setBuffer(Math.max(0, this.bufferMs - EASE_MS));
    setTimeout(() => this.easeBuffer(), EASE_EVERY_MS);
  }

  #watchTransport() {
    const transport = (this.plan.track ? this.transceiver.sender : this.transceiver.receiver).transport;
    transport?.addEventListener("statechange", () => {
      if (transport.state !== "closed" || this.closed) return;
      this.endedByServer = true;
      this.dispatchEvent(new Event("down"));
    });
  }

  #connectionStateChanged() {
    const state = this.connection.connectionState;
    clearTimeout(this.disconnectTimer);
    if (this.closed) return;
    if (state === "connected") this.dispatchEvent(new Event("up"));
    if (state === "failed" || state === "closed") this.dispatchEvent(new Event("down"));
    if (state === "disconnected") this.disconnectTimer = setTimeout(() => this.dispatchEvent(new Event("down")), DISCONNECTED_FOR_MS);
  }

  /** @param {number} timeoutMs @returns {Promise<void>} */
  #connectedWithin(timeoutMs) {
    const { connection } = this;
    const ice = () => connection.iceConnectionState === "connected" || connection.iceConnectionState === "completed";
    if (ice() && connection.connectionState === "connected") return Promise.resolve();
    return new Promise((resolve, reject) => {
      /** @param {(() => void)} [then] */
      const settle = (then) => {
        clearTimeout(timer);
        connection.removeEventListener("connectionstatechange", look);
        then?.();
      };
      const fail = () => settle(() => reject(this.#unreachable(ice())));
      const look = () => {
        if (connection.connectionState === "connected") settle(resolve);
        else if (connection.connectionState === "failed" || this.closed) fail();
      };
      const timer = setTimeout(fail, timeoutMs);
      connection.addEventListener("connectionstatechange", look);
    });
  }

  /** @param {boolean} reached whether ICE has connected */
  #unreachable(reached) {
    const problem = new Problem(0, reached ? "no_dtls" : "no_udp", "");
    problem.port = mediaPort(this.answer) ?? undefined;
    return problem;
  }
}
