/** The self-test: does media reach the server, over UDP, over TCP, by the page's own port or not at all; may the microphone be used. Touches no page. */

import { request } from "../server/api.js";

const PATIENCE_MS = 6000;

/**
 * @typedef {"ok" | "failed" | "unoffered"} Outcome
 * @typedef {{udp: Outcome, tcp: Outcome, web: Outcome, port: number}} Reach
 * @typedef {"allowed" | "asks" | "refused" | "insecure" | "none" | "busy"} Hearing
 */

/** All ways at once. Throws Problem where the server cannot even be asked. @returns {Promise<Reach>} */
export async function reach() {
  /** @type {{port: number, protocols: string[]}} */
  const offered = await (await request("/api/self-test")).json();
  /** @param {string} over @returns {Promise<Outcome>} */
  const tried = async (over) => (!offered.protocols.includes(over) ? "unoffered" : (await connects(over)) ? "ok" : "failed");
  const [udp, tcp, web] = await Promise.all([tried("udp"), tried("tcp"), tried("web")]);
  return { udp, tcp, web, port: offered.port };
}

/** Open a connection by the one kind of candidate that the answer holds. @param {string} over @returns {Promise<boolean>} */
async function connects(over) {
  const connection = new RTCPeerConnection();
  try {
    connection.addTransceiver("audio", { direction: "recvonly" });
    const offer = await connection.createOffer();
    await connection.setLocalDescription(offer);
    const response = await request(`/api/self-test?over=${over}`, { method: "POST", body: offer.sdp ?? "", headers: { "Content-Type": "application/sdp" } });
    await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
    return await new Promise((resolve) => {
      setTimeout(() => resolve(false), PATIENCE_MS);
      const look = () => {
        if (connection.connectionState === "connected") resolve(true);
        if (connection.connectionState === "failed") resolve(false);
      };
      connection.addEventListener("connectionstatechange", look);
      look();
    });
  } finally {
    connection.close();
  }
}

/** Without asking anybody: what is known beforehand. @returns {Promise<Hearing>} */
export async function hearing() {
  if (!navigator.mediaDevices) return "insecure";
  const devices = await navigator.mediaDevices.enumerateDevices();
  if (!devices.some((device) => device.kind === "audioinput")) return "none";
  try {
    const answer = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("microphone") });
    return answer.state === "granted" ? "allowed" : answer.state === "denied" ? "refused" : "asks";
  } catch {
    return "asks"; // this browser does not tell
  }
}

/** Ask for it, and let go at once. @returns {Promise<Hearing>} */
export async function ask() {
  if (!navigator.mediaDevices) return "insecure";
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    for (const track of stream.getTracks()) track.stop();
    return "allowed";
  } catch (error) {
    const name = error instanceof Error ? error.name : "";
    if (name === "NotAllowedError" || name === "SecurityError") return "refused";
    return name === "NotFoundError" ? "none" : "busy";
  }
}

/** The result in plain words: what works, what that means, what to do. Pure. @param {Reach} found @returns {string} */
export function reachText({ udp, tcp, web, port }) {
  if (udp === "ok" && web === "ok") return `UDP works. Sound gets through${tcp === "ok" ? ", and over TCP too" : ""}; in networks without UDP by the port of this page.`;
  if (udp === "ok" && tcp === "ok") return "UDP works, and TCP too. Sound gets through.";
  if (udp === "ok" && tcp === "unoffered") return "UDP works. Sound gets through. The server offers no TCP.";
  if (udp === "ok") return `UDP works. Sound gets through. TCP ${port} is closed: people in networks without UDP will not reach this server.`;
  if (tcp === "ok") return `Only TCP works. Sound gets through, but it may stutter where the network is busy. UDP ${port} is closed, in your network or at the server.`;
  if (web === "ok") return `Only the port of this page works. Sound gets through, but it may stutter where the network is busy. Port ${port} is closed for UDP${tcp === "unoffered" ? "" : " and TCP"}, in your network or at the server.`;
  return `Nothing gets through. Port ${port} is closed for UDP${tcp === "unoffered" ? "" : " and TCP"}, in your network or at the server. Whoever hosts this has to open it.`;
}

/** @type {Record<Hearing, string>} */
export const HEARING = {
  allowed: "The microphone may be used.",
  asks: "The browser will ask before the microphone is used.",
  refused: "The microphone is not allowed here. Allow it in the address bar of the browser, then test again.",
  insecure: "This address has no HTTPS, so the browser gives no microphone. Listening works. Open the https address of this server to talk.",
  none: "No microphone found. Plug one in, then test again.",
  busy: "The microphone does not open. Perhaps another program holds it. Close that, then test again.",
};
