/** Follows a broadcast to another server: the second connection is up, and its sound has come, before the first one is left. */

import { Problem } from "../server/api.js";
import { backoff, received } from "./connection.js";
import { Peer } from "./peer.js";
import { bufferDelay } from "./receiving_stats.js";

/** With the pauses between, that is a little longer than a server waits for those whom it has asked to leave. */
const TRIES = 35;
/** The last server closes the broadcaster's connection when its listeners have gone; if it was killed, nobody does. */
const RETIRED_MS = 45_000;
/** The buffer of a listener has found its length after so many packets, if nothing has been missing in it for so many looks. */
const SETTLED_PACKETS = 25;
const CALM_LOOKS = 6;
/** Without packets for so long the connection is no good; with some missing all the while it is taken nevertheless: the one before ends. */
const SETTLED_WITHIN_MS = 10_000;
/** Nor is one over which packets came and then none for so long. */
const STALLED_MS = 1000;
const LOOK_EVERY_MS = 50;
const MEAN_LOOKS = 10;
/** How much shorter than before sound may wait in the buffer, and for how long that is tried; the browser stretches sound to wait longer. */
const NEAR_MS = 20;
const NEAR_WITHIN_MS = 6000;

/**
 * @typedef {object} Follower
 * @property {(next: Peer, stream: MediaStream | null) => Promise<unknown>} prepare   called when the second connection is up; throws if it is not good
 * @property {() => void} take   the second connection is the connection now; the first one is still up
 * @property {() => void} drop   the second connection was given up
 */

/** The server, of several, in the Location of a session: `…/NODE.ID`; "" if there is one server, or no session. @param {string | null | undefined} location */
export function nodeOf(location) {
  const identity = (location ?? "").replace(/[?#].*$/, "").split("/").pop() ?? "";
  return identity.includes(".") ? identity.slice(0, identity.lastIndexOf(".")) : "";
}

/**
 * Leave the server at which this connection is. A broadcaster sends to both until the first one ends, so that its listeners can follow. Tries
 * until the connection is at another server, is closed, or has been tried often enough.
 * @param {import("./connection.js").Connection} connection @param {Follower} follower
 */
export async function move(connection, follower) {
  const node = nodeOf(connection.peer?.location);
  if (!node || connection.moving) return;
  connection.moving = true;
  try {
    for (let attempt = 0; attempt < TRIES && !connection.closed && nodeOf(connection.peer?.location) === node; attempt += 1) {
      if (attempt) await delay(backoff(attempt));
      await tryOnce(connection, follower);
    }
  } finally {
    connection.moving = false;
  }
}

/** @param {import("./connection.js").Connection} connection @param {Follower} follower */
async function tryOnce(connection, follower) {
  const old = connection.peer;
  /** @type {Peer | null} */
  let next = null;
  if (!old || connection.recovering) return;
  try {
    const plan = await connection.plan({ forgotten: false });
    if (connection.closed || connection.recovering || connection.peer !== old) return; // after Stop nothing is to be on air again
    next = new Peer(plan);
    connection.others.add(next);
    /** @type {MediaStream | null} */
    let stream = null;
    next.addEventListener("track", (event) => (stream = /** @type {CustomEvent} */ (event).detail));
    await next.open();
    await follower.prepare(next, stream);
    while (connection.recovering) await delay(LOOK_EVERY_MS); // an ICE restart, say, which keeps the peer
    if (connection.closed || connection.peer !== old || !next.isConnected) throw new Problem(0, "offline", "");
  } catch {
    follower.drop();
    next?.close(next.plan.track === null); // a broadcaster's DELETE would be Stop
    if (next) connection.others.delete(next);
    return;
  }
  connection.others.delete(next);
  connection.adopt(next);
  try {
    follower.take();
  } finally {
    if (next.plan.track) retire(connection, old);
    else old.close(true);
  }
}

/** Send on there until the server ends it. @param {import("./connection.js").Connection} connection @param {Peer} old */
function retire(connection, old) {
  connection.others.add(old);
  const end = () => {
    clearTimeout(timer);
    old.close(false);
    connection.others.delete(old);
  };
  const timer = setTimeout(end, RETIRED_MS);
  old.addEventListener("down", end);
}

/**
 * Wait until enough packets have come, for a while none was missing, and their sound waits as long in the buffer as that of the connection
 * before, so that nothing is left out between the two. Throws Problem if none come, or no more, or the connection is lost.
 * @param {Peer} peer @param {Peer | null} [before]
 */
export async function settled(peer, before = null) {
  const began = performance.now();
  const [own, wanted] = [new BufferedTime(peer), before && new BufferedTime(before)];
  let calm = 0;
  let concealed = -1;
  let [packets, grown] = [0, began];
  while (calm < CALM_LOOKS) {
    const now = await own.look();
    const wait = await wanted?.look().then(() => wanted.ms);
    const passed = performance.now() - began;
    const enough = now.packets >= SETTLED_PACKETS;
    if (now.packets > packets) [packets, grown] = [now.packets, performance.now()];
    const stalled = packets > 0 && performance.now() - grown > STALLED_MS;
    if (!peer.isConnected || stalled || (passed > SETTLED_WITHIN_MS && !enough)) throw new Problem(0, "no_udp", "");
    if (passed > SETTLED_WITHIN_MS) return;
    const near = passed > NEAR_WITHIN_MS || !wait || !peer.setBuffer(Math.round(wait)) || (own.ms ?? 0) >= wait - NEAR_MS;
    calm = enough && near && now.concealed === concealed ? calm + 1 : 0;
    concealed = now.concealed;
    await delay(LOOK_EVERY_MS);
  }
}

/** How long the sound of a connection has waited in the jitter buffer of late. */
class BufferedTime {
  /** @param {Peer} peer */
  constructor(peer) {
    this.peer = peer;
    /** @type {import("./receiving_stats.js").Received[]} the last looks, oldest first */
    this.looks = [];
  }

  async look() {
    const now = (await received(this.peer.connection)) ?? { packets: 0, concealed: 0, delay: 0, count: 0 };
    this.looks = [...this.looks.slice(1 - MEAN_LOOKS), now];
    return now;
  }

  /** Null where nothing was played. */
  get ms() {
    const [oldest, newest] = [this.looks[0], this.looks.at(-1)];
    return oldest && newest ? bufferDelay(oldest, newest) : null;
  }
}

/** @param {number} delayMs @returns {Promise<void>} */
function delay(delayMs) {
  return new Promise((resolve) => void setTimeout(resolve, delayMs));
}
