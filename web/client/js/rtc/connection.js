/** A lasting connection: one Peer at a time, which is restarted or replaced when it fails. */

import { asProblem, Problem } from "../server/api.js";
import { Peer } from "./peer.js";
import { receivedOf } from "./receiving_stats.js";

/** @typedef {import("./peer.js").Plan} Plan */

/** The pauses stay short: who waits for a server that was restarted is heard again within a second of its return. */
const BACKOFF_MS = [200, 500, 800, 1000];
/** Recovery ends after this long without a connection, unless the connection is patient. */
const GIVE_UP_MS = 60_000;
/** Without a packet for this long while the server was lost from sight, the connection counts as dead. It is several packets. */
const FLOW_MS = 200;

/** Whether a retry would get the same answer. @param {Problem} problem */
export function isFinal(problem) {
  return problem.status >= 400 && problem.status < 500 && problem.status !== 408 && problem.status !== 429;
}

/** @param {number} attempt counted from 0 */
export function backoff(attempt) {
  return /** @type {number} */ (BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length - 1)]);
}

/** What was received so far, or null for a connection that only sends. @param {RTCPeerConnection} connection */
export async function received(connection) {
  return receivedOf((await connection.getStats()).values());
}

/**
 * Events: `up`, `down` (trying again), `retry` (detail: the Problem of an attempt, after which another one follows), `lost` (detail:
 * Problem; given up), `track` (detail: MediaStream).
 * `plan` is called before each connection attempt and may throw Problem to give up ("taken_over", "ended"). Its argument is null at
 * first; `forgotten` then says that the server no longer knows the last session.
 */
export class Connection extends EventTarget {
  /** @param {(retry: {forgotten: boolean} | null) => Promise<Plan>} plan @param {boolean} [patient] it tries until it is closed or refused, also at first */
  constructor(plan, patient = false) {
    super();
    this.plan = plan;
    this.patient = patient;
    /** @type {Peer | null} */
    this.peer = null;
    /** Further peers while it moves to another server (moving.js): one that connects, or one that is still sent to. @type {Set<Peer>} */
    this.others = new Set();
    this.moving = false;
    this.closed = false;
    this.recovering = false;
    this.checking = false;
    /** @type {(() => void) | null} */
    this.endDelay = null;
    this.wake = () => void this.check();
  }

  /** Connect for the first time. If it throws Problem, the connection is closed. A patient one throws only what is final, or `no_udp` and `no_dtls`. */
  async open() {
    globalThis.addEventListener("online", this.wake);
    /** @type {Problem | null} */
    let problem;
    try {
      return await this.#connect(null);
    } catch (error) {
      problem = asProblem(error);
    }
    if (this.patient && !this.closed && !isFinal(problem) && problem.port === undefined) {
      this.recovering = true;
      this.dispatchEvent(new CustomEvent("retry", { detail: problem }));
      problem = await this.#attempt(false, performance.now());
      this.recovering = false;
    }
    if (!problem) return;
    this.close(true);
    throw problem;
  }

  /**
   * Look whether it is still connected, and recover at once if not: the browser itself notices a dead server only after many seconds.
   * Call it when the server was lost from sight or is back, for example after the computer slept. A listener is connected while packets
   * come; a broadcaster asks the server by an ICE restart.
   */
  async check() {
    if (this.recovering) return void this.endDelay?.();
    const { peer } = this;
    if (this.closed || this.checking || !peer) return;
    this.checking = true;
    const flows = await this.#flows(peer).catch(() => false); // a closed connection may have no statistics
    this.checking = false;
    if (!flows) await this.#recover(peer);
  }

  /** @param {Peer} peer */
  async #flows({ connection }) {
    const before = await received(connection);
    if (before === null) return false;
    await new Promise((resolve) => setTimeout(resolve, FLOW_MS));
    return ((await received(connection))?.packets ?? 0) > before.packets;
  }

  /** @param {boolean} tell whether the session is deleted on the server too */
  close(tell) {
    this.closed = true;
    globalThis.removeEventListener("online", this.wake);
    this.endDelay?.();
    for (const peer of [this.peer, ...this.others]) peer?.close(tell);
    this.peer = null;
    this.others.clear();
  }

  /** A peer that is up takes the place of the present one, which is left to the caller. @param {Peer} next */
  adopt(next) {
    this.peer = next;
    next.addEventListener("down", () => void this.#recover(next));
  }

  /** Send another track, wherever it is sent to. @param {MediaStreamTrack} track */
  async replace(track) {
    await Promise.all([this.peer, ...this.others].map((peer) => peer?.replace(track)));
  }

  /** @param {{forgotten: boolean} | null} retry */
  async #connect(retry) {
    const plan = await this.plan(retry);
    if (this.closed) return;
    const peer = new Peer(plan);
    this.peer = peer;
    const tell = (/** @type {Event} */ event) => this.dispatchEvent(new CustomEvent("track", { detail: /** @type {CustomEvent} */ (event).detail }));
    /** @type {Event[]} of a retry, told once that is up: until then what was heard before may be heard again */
    const tracks = [];
    peer.addEventListener("track", (event) => void (retry ? tracks.push(event) : tell(event)));
    try {
      await peer.open();
      if (!this.closed) tracks.forEach(tell);
    } catch (error) {
      peer.close(retry === null); // a failed first attempt deletes its session; a failed retry must not end the broadcast that it meant to take over
      throw error;
    }
    peer.addEventListener("down", () => void this.#recover(peer));
    if (!this.closed) this.dispatchEvent(new Event("up"));
  }

  /** @param {Peer} peer that went down */
  async #recover(peer) {
    if (this.closed || this.recovering || peer !== this.peer) return;
    this.recovering = true;
    this.dispatchEvent(new Event("down"));
    const problem = await this.#reconnect(peer);
    this.recovering = false;
    if (!problem || this.closed) return;
    this.close(false);
    this.dispatchEvent(new CustomEvent("lost", { detail: problem }));
  }

  /**
   * The alarm may be false: that a request was not answered says nothing of the sound, least of all where another server answers requests.
   * So what still looks connected is left only for a connection that is up, or where the server refuses another one.
   * @param {Peer} old @returns {Promise<Problem | null>} null once it is connected again, or closed
   */
  async #reconnect(old) {
    const since = performance.now();
    let forgotten = old.endedByServer;
    let isUp = false;
    try {
      if (!forgotten) {
        await old.restart();
        isUp = true;
      }
    } catch (error) {
      forgotten = old.endedByServer || [404, 410].includes(asProblem(error).status);
      isUp = !forgotten && old.isConnected && (await this.#flows(old).catch(() => false));
    }
    if (!isUp) return this.#replace(old, forgotten, since);
    this.dispatchEvent(new Event("up"));
    return null;
  }

  /** @param {Peer} old @param {boolean} forgotten @param {number} since as of `#attempt` */
  async #replace(old, forgotten, since) {
    if (old.isConnected) this.others.add(old);
    else old.close(false);
    const problem = await this.#attempt(forgotten, since, old);
    this.others.delete(old);
    if (problem && !isFinal(problem) && old.isConnected) {
      this.peer = old;
      this.dispatchEvent(new Event("up"));
      return null;
    }
    old.close(false);
    return problem;
  }

  /**
   * Make new connections until one is up, or packets come over the one before again.
   * @param {boolean} forgotten @param {number} since when the last one was lost, in ms @param {Peer} [old]
   * @returns {Promise<Problem | null>} null once it is connected, or closed
   */
  async #attempt(forgotten, since, old) {
    let last = new Problem(0, "offline", "");
    for (let attempt = 0; !this.closed && (this.patient || performance.now() - since < GIVE_UP_MS); attempt += 1) {
      try {
        await this.#connect({ forgotten });
        return null;
      } catch (error) {
        last = asProblem(error);
        if (isFinal(last) || this.closed) return last;
      }
      this.dispatchEvent(new CustomEvent("retry", { detail: last }));
      const pause = this.#delay(Math.max(backoff(attempt), (last.retryAfterS ?? 0) * 1000));
      if (old?.isConnected && (await this.#flows(old).catch(() => false))) {
        this.endDelay?.();
        return last;
      }
      await pause;
    }
    return last;
  }

  /** Wait for this long, or until check() is called or the connection is closed. @param {number} delayMs @returns {Promise<void>} */
  #delay(delayMs) {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.endDelay = null;
        resolve();
      };
      const timer = setTimeout(done, delayMs);
      this.endDelay = done;
    });
  }
}
