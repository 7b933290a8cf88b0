/** Changes the packet time of the own broadcast, when nobody hears it happen. */

import { wait } from "./meter.js";
import { LOOK_EVERY_MS, QuietMoment } from "./quiet_moment.js";

/** Twice the longest packet: one may have begun before the silence, the next one is silent throughout. */
const SILENCE_MS = 50;
/** Longer than any change takes; the promise never resolves if the connection closes meanwhile. */
const CHANGE_WITHIN_MS = 1000;
/** Packets of this length or longer, requested so often, are made without a pause in speech: the server is full. */
const LONG_PACKET_MS = 20;
const URGENT_AFTER = 3;

/**
 * The browser starts a new encoder, whose state differs from that of the listeners' decoders, which clicks unless both have had silence.
 * So a change waits for a pause of speech. Music may have no pause: then nothing changes, until longer packets have been requested so
 * often that the server must be full. A gap of 0.1 s at the quietest moment is better than a server that cannot keep up.
 */
export class PacketTime {
  /** @param {import("./microphone.js").Microphone} microphone @param {() => import("./peer.js").Peer | null | undefined} peer @param {(silenced: boolean) => void} silence the track */
  constructor(microphone, peer, silence) {
    this.microphone = microphone;
    this.peer = peer;
    this.silence = silence;
    /** The requested packet time in ms; 0: none. */
    this.requestedMs = 0;
    /** How often it was requested in a row without being applied. */
    this.requests = 0;
    this.changing = false;
  }

  /** Change it at the next good moment. A request that comes while another one waits replaces it. @param {number} ms */
  async request(ms) {
    this.requests = ms === this.requestedMs ? this.requests + 1 : 1;
    this.requestedMs = ms;
    if (this.changing) return;
    this.changing = true;
    try {
      const peer = (await this.#awaitQuietMoment()) ? this.peer() : null;
      if (peer?.isStable) await this.#changeSilently(peer);
    } finally {
      this.changing = false;
    }
  }

  /** Forget what was requested: the broadcast is over. */
  forget() {
    this.requestedMs = 0;
    this.requests = 0;
  }

  /** @param {import("./peer.js").Peer} peer */
  async #changeSilently(peer) {
    this.silence(true);
    try {
      await wait(SILENCE_MS);
      await Promise.race([peer.setPacketTime(this.requestedMs), wait(CHANGE_WITHIN_MS)]);
      await wait(SILENCE_MS);
      this.requests = 0;
    } finally {
      this.silence(false);
    }
  }

  /** @returns {Promise<boolean>} whether the moment has come and the change is still wanted */
  async #awaitQuietMoment() {
    const began = performance.now();
    const moment = new QuietMoment();
    /** @type {"now" | "later" | "never"} */
    let when = "later";
    while (this.requestedMs && when === "later") {
      await wait(LOOK_EVERY_MS);
      const urgent = this.requestedMs >= LONG_PACKET_MS && this.requests >= URGENT_AFTER;
      when = moment.look(performance.now() - began, this.microphone.speechPaused, this.microphone.level, urgent);
    }
    return this.requestedMs > 0 && when === "now";
  }
}
