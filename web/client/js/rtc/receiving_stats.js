/** What getStats() tells of a connection that receives. Pure. */

/**
 * packets: received so far; concealed: samples that were made up for missing ones; delay: the time in s that all samples played so far have
 * waited in the jitter buffer, count: how many these are.
 * @typedef {{packets: number, concealed: number, delay: number, count: number}} Received
 */

/** Null for a connection that only sends. @param {Iterable<any>} stats @returns {Received | null} */
export function receivedOf(stats) {
  for (const row of stats) {
    if (row.type !== "inbound-rtp") continue;
    return { packets: row.packetsReceived ?? 0, concealed: row.concealedSamples ?? 0, delay: row.jitterBufferDelay ?? 0, count: row.jitterBufferEmittedCount ?? 0 };
  }
  return null;
}

/** The mean time in ms that a sample waited in the jitter buffer between two readings; null if none was played. @param {{delay: number, count: number} | null} before @param {{delay: number, count: number}} now */
export function bufferDelay(before, now) {
  const count = now.count - (before?.count ?? 0);
  return count > 0 ? ((now.delay - (before?.delay ?? 0)) / count) * 1000 : null;
}
