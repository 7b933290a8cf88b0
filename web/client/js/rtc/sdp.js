/** Reads and changes session descriptions. Pure. */

/** The payload type of Opus in an SDP, or null. @param {string} sdp */
export function opusType(sdp) {
  return sdp.match(/^a=rtpmap:(\d+) opus\/48000/im)?.[1] ?? null;
}

/**
 * The offer with NACK and in-band FEC: Chromium leaves `nack` out of its offer, but supports it.
 * @param {string} sdp
 */
export function withRepair(sdp) {
  const type = opusType(sdp);
  if (type === null) return sdp;
  let better = sdp;
  if (!new RegExp(`^a=rtcp-fb:${type} nack\\s*$`, "m").test(better)) better = after(better, new RegExp(`^a=rtpmap:${type} .*$`, "m"), `a=rtcp-fb:${type} nack`);
  return withFormat(better, { useinbandfec: "1" });
}

/** Set Opus parameters in the fmtp line, which is added if there is none. @param {string} sdp @param {Record<string, string>} wanted */
export function withFormat(sdp, wanted) {
  const type = opusType(sdp);
  if (type === null) return sdp;
  const line = new RegExp(`^a=fmtp:${type} (.*)$`, "m");
  const found = sdp.match(line);
  const parameters = new Map((found?.[1] ?? "").trim().split(";").filter(Boolean).map((pair) => /** @type {[string, string]} */ ([...pair.trim().split("="), ""].slice(0, 2))));
  for (const [name, value] of Object.entries(wanted)) parameters.set(name, value);
  const written = `a=fmtp:${type} ${[...parameters].map(([name, value]) => `${name}=${value}`).join(";")}`;
  return found ? sdp.replace(/** @type {string} */ (found[0]).trimEnd(), written) : after(sdp, new RegExp(`^a=rtpmap:${type} .*$`, "m"), written);
}

/** @param {string} sdp @param {RegExp} line @param {string} more */
function after(sdp, line, more) {
  return sdp.replace(line, (found) => `${found.trimEnd()}\r\n${more}${found.endsWith("\r") ? "\r" : ""}`);
}

/** The server's media port, read from its UDP candidate; null if it has none. @param {string} sdp @returns {number | null} */
export function mediaPort(sdp) {
  const found = sdp.match(/^a=candidate:\S+ \d+ udp \d+ \S+ (\d+) /im);
  return found ? Number(found[1]) : null;
}

/** @param {string} sdp @param {string} name */
function line(sdp, name) {
  return sdp.match(new RegExp(`^a=${name}:(.*)$`, "m"))?.[1]?.trim() ?? "";
}

/** The `application/trickle-ice-sdpfrag` (RFC 8840) of an ICE restart, from a new local offer. @param {string} offer */
export function restartFragment(offer) {
  const media = offer.match(/^m=audio .*$/m)?.[0]?.trim() ?? "m=audio 9 UDP/TLS/RTP/SAVPF 0";
  return [`a=ice-ufrag:${line(offer, "ice-ufrag")}`, `a=ice-pwd:${line(offer, "ice-pwd")}`, media, `a=mid:${line(offer, "mid")}`, ""].join("\r\n");
}

/** The earlier answer with the credentials (and candidates, if any) of a restart's fragment. @param {string} answer @param {string} fragment */
export function withCredentials(answer, fragment) {
  const candidates = fragment.match(/^a=candidate:.*$/gm)?.map((found) => found.trim()) ?? [];
  let renewed = answer.replace(/^a=ice-ufrag:.*$/gm, `a=ice-ufrag:${line(fragment, "ice-ufrag")}`).replace(/^a=ice-pwd:.*$/gm, `a=ice-pwd:${line(fragment, "ice-pwd")}`);
  if (candidates.length) {
    renewed = renewed.replace(/^a=candidate:.*\r?\n/gm, "");
    renewed = after(renewed, /^a=ice-pwd:.*$/m, candidates.join("\r\n"));
  }
  return renewed;
}

/** The answer with another packet time. @param {string} answer @param {number} ms duration of one packet */
export function withPacketTime(answer, ms) {
  const type = opusType(answer);
  const other = answer.replace(/^a=ptime:.*\r?\n/gm, "");
  return type === null ? answer : after(other, new RegExp(`^a=rtpmap:${type} .*$`, "m"), `a=ptime:${ms}`);
}

/** The ICE servers of a `Link` header (RFC 9725 §4.6). @param {string | null} header @returns {RTCIceServer[]} */
export function iceServers(header) {
  return (header ?? "").split(/,(?=\s*<)/).filter((part) => /rel="?ice-server"?/.test(part)).map((part) => {
    /** @type {RTCIceServer} */
    const server = { urls: part.match(/<([^>]+)>/)?.[1] ?? "" };
    const username = part.match(/username="([^"]*)"/)?.[1];
    const credential = part.match(/credential="([^"]*)"/)?.[1];
    if (username !== undefined) server.username = username;
    if (credential !== undefined) server.credential = credential;
    return server;
  }).filter((server) => server.urls);
}
