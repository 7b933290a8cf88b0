/** What getStats() tells of a connection that sends. Pure. */

/** @typedef {{id: string, sent: number, at_ms: number}} Packets   how many packets one stream has sent until when */

/** Half the round trip to the server in ms; null if it was not measured. @param {readonly any[]} stats */
export function roundTrip(stats) {
  const row = stats.find((each) => each.type === "candidate-pair" && each.nominated && each.currentRoundTripTime !== undefined);
  return row ? row.currentRoundTripTime * 500 : null;
}

/** Without those that were sent again. @param {readonly any[]} stats @returns {Packets | null} */
export function packetsOf(stats) {
  const row = stats.find((each) => each.type === "outbound-rtp");
  return row ? { id: row.id, sent: row.packetsSent - (row.retransmittedPacketsSent ?? 0), at_ms: row.timestamp } : null;
}

/** How much sound a packet held between two readings, in ms; null if that is not known. @param {Packets | null} before @param {Packets | null} now */
export function packetTime(before, now) {
  if (!before || !now || before.id !== now.id || now.sent <= before.sent) return null;
  return (now.at_ms - before.at_ms) / (now.sent - before.sent);
}
