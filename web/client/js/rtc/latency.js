/** Where the time goes between mouth and ear, out of what was measured. Pure. */

/** @typedef {import("../state/types.js").Status} Status */
/** @typedef {{name: string, ms: number}} Part */

/** One Opus packet has to be full before it can leave. */
const CAPTURE_MS = 20;

/**
 * From the mouth until it leaves the server. The whole delay of the denoiser is held while nothing is cleaned too, so that nobody's
 * sound jumps; then it is not called cleaning. @param {Status | undefined} status @param {number | null} network_ms @returns {Part[]}
 */
export function sendingParts(status, network_ms) {
  if (!status) return [];
  const { algorithmic, worker, ingest, fanout } = status.latency_ms;
  const cleans = status.denoise.state === "active";
  return [
    { name: "capture", ms: CAPTURE_MS },
    { name: "network", ms: network_ms ?? 0 },
    { name: cleans ? "clean" : "held", ms: algorithmic + ((cleans && worker.p50) || 0) },
    { name: "server", ms: (ingest.p50 ?? 0) + (fanout.p50 ?? 0) },
  ].filter((part) => part.ms > 0);
}

/**
 * From the server's ear to one's own: the same, with the listener's network and buffer; nothing where not all of it is known: who hears
 * the original waits for no denoiser, or has done since before. @param {Status | undefined} status @param {import("../state/types.js").Ear} ear @returns {Part[]}
 */
export function hearingParts(status, ear) {
  if (ear.variant === "original") return [];
  const sent = sendingParts(status, ear.network_ms);
  if (!sent.length) return [];
  return [...sent, { name: "play", ms: ear.play_ms ?? 0 }].filter((part) => part.ms > 0);
}

/** "84 ms: capture 20 · network 9 · clean 33 · play 22" @param {readonly Part[]} parts */
export function latencyText(parts) {
  const rounded = parts.map(({ name, ms }) => ({ name, ms: Math.max(1, Math.round(ms)) }));
  return `${rounded.reduce((sum, { ms }) => sum + ms, 0)} ms: ${rounded.map(({ name, ms }) => `${name} ${ms}`).join(" · ")}`;
}
