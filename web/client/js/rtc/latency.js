/** The measured delays between microphone and ear. What was not measured is left out. Pure. */

/** @typedef {import("../state/types.js").Status} Status */
/** @typedef {{name: "capture" | "network" | "clean" | "held" | "server" | "play", ms: number}} Part */

/** @param {readonly {name: Part["name"], ms: number | null | undefined}[]} parts @returns {Part[]} */
function measured(parts) {
  return /** @type {Part[]} */ (parts.filter(({ ms }) => ms !== null && ms !== undefined && ms > 0));
}

/**
 * The delays from the microphone until the server sends. Listeners wait for the denoiser's whole delay even while nothing is
 * cleaned, so that switching makes no jump; that part is then called "held". @param {Status | undefined} status
 * @param {number | null} network_ms half the round trip to the server @param {number | null} [packet_ms] how much sound a packet holds, which is full before it is sent
 * @returns {Part[]}
 */
export function sendingParts(status, network_ms, packet_ms = null) {
  if (!status) return [];
  const { ingest, fanout } = status.latency_ms;
  return measured([{ name: "capture", ms: packet_ms }, { name: "network", ms: network_ms }, holding(status), { name: "server", ms: (ingest.p50 ?? 0) + (fanout.p50 ?? 0) }]);
}

/** @param {Status} status @param {boolean} [wanted] whether the denoised variant is wanted @returns {Part} */
function holding({ denoise, latency_ms }, wanted = true) {
  const cleans = wanted && denoise.state === "active";
  return { name: cleans ? "clean" : "held", ms: latency_ms.algorithmic + ((cleans && latency_ms.worker.p50) || 0) };
}

/**
 * The delays from the server's socket to this listener's ear, for the variant that is heard: who asked for the original when they joined
 * gets it without the hold. Empty until the browser's own buffer was measured. @param {Status | undefined} status
 * @param {Pick<import("../state/types.js").Listening, "held" | "variant" | "play_ms" | "network_ms">} listening @returns {Part[]}
 */
export function hearingParts(status, listening) {
  if (!status?.live || listening.play_ms === null) return [];
  const { ingest, fanout } = status.latency_ms;
  return measured([
    { name: "server", ms: (ingest.p50 ?? 0) + (fanout.p50 ?? 0) },
    ...(listening.held ? [holding(status, listening.variant !== "original")] : []),
    { name: "network", ms: listening.network_ms },
    { name: "play", ms: listening.play_ms },
  ]);
}

export { latencyText } from "../words/listening.js";
