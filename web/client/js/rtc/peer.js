/** One WebRTC connection to the server with its WHIP or WHEP resource. Runs once; Connection decides about another. */

import { Problem, request } from "../server/api.js";
import { iceServers, mediaPort, restartFragment, withCredentials, withPacketTime, withRepair } from "./sdp.js";

/**
 * So long an answer is waited for; then the way to the server counts as dead, and another connection is tried. Of the seconds for
 * which a server keeps a broadcast whose broadcaster is gone, some must be left for that.
 */
export const ANSWER_WITHIN_MS = 4000;
/** Without an answer on the media port for this long, the port counts as closed. */
const UP_WITHIN_MS = 7000;
/** "disconnected" may heal by itself (RFC 7675: one missed check); after this it is a failure. */
const HEAL_WITHIN_MS = 2500;

/**
 * @typedef {object} Plan
 * @property {string} url                 the WHIP or WHEP endpoint with its query
 * @property {MediaStreamTrack | null} track   what is sent; null = a listener
 * @property {string} [authorization]     a bearer token
 */

/**
 * Events: `up`, `down` (lost, needs restart() or another Peer), `track` (detail: MediaStream).
 * The server is ICE-lite and has its candidates in the answer: the offer goes out at once, nothing is gathered first.
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
    /** The restart or change of packet time under way: one offer and answer at a time. @type {Promise<unknown>} */
    this.negotiating = Promise.resolve();
    /** How many of these are running or queued. */
    this.turns = 0;
    /** The server has ended it (DTLS close_notify): a restart cannot succeed. */
    this.dismissed = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.healing = undefined;
    this.connection.onconnectionstatechange = () => this.#moved();
    this.connection.ontrack = (event) => this.dispatchEvent(new CustomEvent("track", { detail: event.streams[0] ?? new MediaStream([event.track]) }));
    this.transceiver = plan.track
      ? this.connection.addTransceiver(plan.track, { direction: "sendonly", streams: [new MediaStream([plan.track])] })
      : this.connection.addTransceiver("audio", { direction: "recvonly" });
    if (plan.track) this.#sendTwice();
  }

  /** RED (RFC 2198) first, where the browser has it: each packet brings the one before it along once more. */
  #sendTwice() {
    const codecs = RTCRtpSender.getCapabilities("audio")?.codecs ?? [];
    const isRed = (/** @type {{mimeType: string}} */ codec) => codec.mimeType.toLowerCase() === "audio/red";
    if (codecs.some(isRed)) this.transceiver.setCodecPreferences([...codecs.filter(isRed), ...codecs.filter((codec) => !isRed(codec))]);
  }

  /** Offer, answer, and wait until media can flow. Throws Problem; `no_udp` where the port is not open. */
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
    if (this.closed) return void this.#forget();
    await this.connection.setRemoteDescription({ type: "answer", sdp: this.answer });
    this.#hearDismissal();
    this.#listenClosely();
    await this.#upWithin(UP_WITHIN_MS);
  }

  /** ICE restart on the same resource: a new network, the same session. Throws Problem (404: the server has forgotten us). */
  async restart() {
    if (!this.location) throw new Problem(404, "not_found", "");
    await this.#inTurn(() => this.#restart(/** @type {string} */ (this.location)));
    await this.#upWithin(UP_WITHIN_MS);
  }

  /** @param {string} resource */
  async #restart(resource) {
    const offer = await this.connection.createOffer({ iceRestart: true });
    await this.connection.setLocalDescription({ type: offer.type, sdp: withRepair(offer.sdp ?? "") });
    const headers = { ...this.#headers("application/trickle-ice-sdpfrag"), "If-Match": "*" };
    const response = await request(resource, { method: "PATCH", body: restartFragment(offer.sdp ?? ""), headers }, ANSWER_WITHIN_MS);
    this.answer = withCredentials(this.answer, await response.text());
    await this.connection.setRemoteDescription({ type: "answer", sdp: this.answer });
  }

  /**
   * Send packets of so many ms from now on. Nobody else is asked: the same offer again, and the server's answer with another
   * `ptime`. Connection, keys, numbering and clock go on. Where the browser will not, or something else is being negotiated, all
   * stays as it was. If the connection is closed meanwhile, this never returns: nor do the browser's own promises.
   * @param {number} ms
   */
  async pack(ms) {
    if (!this.isSettled) return;
    await this.#inTurn(async () => {
      const { connection } = this;
      const answer = withPacketTime(this.answer, ms);
      try {
        const offer = await connection.createOffer();
        await connection.setLocalDescription({ type: offer.type, sdp: withRepair(offer.sdp ?? "") });
        await connection.setRemoteDescription({ type: "answer", sdp: answer });
        this.answer = answer; // a later restart keeps it
      } catch (error) {
        if (connection.signalingState === "have-local-offer") await connection.setLocalDescription({ type: "rollback" }).catch(() => undefined);
        console.warn("the packets stay as long as they are:", error);
      }
    });
  }

  /** Is it up, with nothing left to be agreed upon? */
  get isSettled() {
    return !this.closed && !this.turns && this.connection.signalingState === "stable" && this.connection.connectionState === "connected";
  }

  /** @param {() => Promise<void>} negotiate @returns {Promise<void>} */
  #inTurn(negotiate) {
    this.turns += 1;
    const turn = this.negotiating.then(negotiate).finally(() => (this.turns -= 1));
    this.negotiating = turn.catch(() => undefined); // the caller gets the error
    return turn;
  }

  /** @param {"auto" | "original" | "denoised"} variant */
  async choose(variant) {
    if (!this.location) return;
    const headers = this.#headers("application/json");
    await request(`${this.location}/variant`, { method: "PUT", headers, body: JSON.stringify({ variant }) });
  }

  /** @param {MediaStreamTrack} track */
  async replace(track) {
    await this.transceiver.sender.replaceTrack(track);
  }

  /** End it here; with `tell` the server hears of it (a broadcaster's DELETE is Stop). Idempotent. @param {boolean} tell */
  close(tell) {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.healing);
    this.connection.close();
    if (tell) this.#forget();
  }

  #forget() {
    if (!this.location) return;
    request(this.location, { method: "DELETE", keepalive: true, headers: this.#headers(null) }).catch(() => undefined); // gone already is as good
  }

  /** @param {string | null} type @returns {Record<string, string>} */
  #headers(type) {
    return { ...(type ? { "Content-Type": type } : {}), ...(this.plan.authorization ? { Authorization: `Bearer ${this.plan.authorization}` } : {}) };
  }

  /** Ask for the smallest buffer that plays whole: NetEq raises it by itself where the network needs more. */
  #listenClosely() {
    if (this.plan.track) return;
    const receiver = /** @type {RTCRtpReceiver & {jitterBufferTarget?: number | null, playoutDelayHint?: number | null}} */ (this.transceiver.receiver);
    if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
    else if ("playoutDelayHint" in receiver) /** @type {{playoutDelayHint: number}} */ (receiver).playoutDelayHint = 0;
  }

  #hearDismissal() {
    const transport = (this.plan.track ? this.transceiver.sender : this.transceiver.receiver).transport;
    transport?.addEventListener("statechange", () => {
      if (transport.state !== "closed" || this.closed) return;
      this.dismissed = true;
      this.dispatchEvent(new Event("down"));
    });
  }

  #moved() {
    const state = this.connection.connectionState;
    clearTimeout(this.healing);
    if (this.closed) return;
    if (state === "connected") this.dispatchEvent(new Event("up"));
    if (state === "failed" || state === "closed") this.dispatchEvent(new Event("down"));
    if (state === "disconnected") this.healing = setTimeout(() => this.dispatchEvent(new Event("down")), HEAL_WITHIN_MS);
  }

  /** @param {number} patienceMs @returns {Promise<void>} */
  #upWithin(patienceMs) {
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
      const fail = () => settle(() => reject(this.#unreached(ice())));
      const look = () => {
        if (connection.connectionState === "connected") settle(resolve);
        else if (connection.connectionState === "failed" || this.closed) fail();
      };
      const timer = setTimeout(fail, patienceMs);
      connection.addEventListener("connectionstatechange", look);
    });
  }

  /** @param {boolean} reached whether ICE at least came through */
  #unreached(reached) {
    const problem = new Problem(0, reached ? "no_dtls" : "no_udp", "");
    problem.port = mediaPort(this.answer) ?? undefined;
    return problem;
  }
}
