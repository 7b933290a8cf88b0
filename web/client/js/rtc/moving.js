/** Follows a broadcast to another server: the second connection is up, and its sound has come, before the first one is left. */

import { Problem } from "../server/api.js";
import { backoff, packetsReceived } from "./connection.js";
import { Peer } from "./peer.js";

/** With the pauses between, that is a little longer than a server waits for those whom it has asked to leave. */
const TRIES = 35;
/** The last server closes the broadcaster's connection when its listeners have gone; if it was killed, nobody does. */
const RETIRED_MS = 45_000;
/** The buffer of a listener has found its length after so many packets. */
const SETTLED_PACKETS = 25;
const SETTLED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

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
  for (let attempt = 0; attempt < TRIES && !connection.closed && nodeOf(connection.peer?.location) === node; attempt += 1) {
    if (attempt) await delay(backoff(attempt));
    await tryOnce(connection, follower);
  }
  connection.moving = false;
}

/** @param {import("./connection.js").Connection} connection @param {Follower} follower */
async function tryOnce(connection, follower) {
  const old = connection.peer;
  /** @type {Peer | null} */
  let next = null;
  if (!old || connection.recovering) return;
  try {
    next = new Peer(await connection.plan({ forgotten: false }));
    connection.others.add(next);
    /** @type {MediaStream | null} */
    let stream = null;
    next.addEventListener("track", (event) => (stream = /** @type {CustomEvent} */ (event).detail));
    await next.open();
    await follower.prepare(next, stream);
    while (connection.recovering) await delay(LOOK_EVERY_MS); // an ICE restart, say, which keeps the peer
    if (connection.closed || connection.peer !== old) throw new Problem(0, "offline", "");
  } catch {
    follower.drop();
    next?.close(next.plan.track === null); // a broadcaster's DELETE would be Stop
    if (next) connection.others.delete(next);
    return;
  }
  connection.others.delete(next);
  connection.adopt(next);
  follower.take();
  if (next.plan.track) return retire(connection, old);
  old.close(true);
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

/** Wait until enough packets have come. Throws Problem if none do. @param {Peer} peer */
export async function settled(peer) {
  const until = performance.now() + SETTLED_WITHIN_MS;
  while (((await packetsReceived(peer.connection)) ?? 0) < SETTLED_PACKETS) {
    if (peer.closed || performance.now() > until) throw new Problem(0, "no_udp", "");
    await delay(LOOK_EVERY_MS);
  }
}

/** @param {number} delayMs @returns {Promise<void>} */
function delay(delayMs) {
  return new Promise((resolve) => void setTimeout(resolve, delayMs));
}
