/** The self-test: whether media reaches the server over UDP, over TCP or by the page's own port, and whether the microphone may be used. Never touches the DOM. */

import { request } from "../server/api.js";

const TIMEOUT_MS = 6000;

/**
 * @typedef {"ok" | "failed" | "unoffered"} Outcome
 * @typedef {{udp: Outcome, tcp: Outcome, web: Outcome, port: number}} Reachability
 * @typedef {"allowed" | "asks" | "refused" | "insecure" | "none" | "busy"} MicrophoneState
 */

/** Test all transports at once. Throws Problem if the server does not answer. @returns {Promise<Reachability>} */
export async function testReachability() {
  /** @type {{port: number, protocols: string[]}} */
  const offered = await (await request("/api/self-test")).json();
  /** @param {string} over @returns {Promise<Outcome>} */
  const tried = async (over) => (!offered.protocols.includes(over) ? "unoffered" : (await connects(over)) ? "ok" : "failed");
  const [udp, tcp, web] = await Promise.all([tried("udp"), tried("tcp"), tried("web")]);
  return { udp, tcp, web, port: offered.port };
}

/** Whether a connection opens over this transport; the answer has candidates of no other. @param {string} over @returns {Promise<boolean>} */
async function connects(over) {
  const connection = new RTCPeerConnection();
  try {
    connection.addTransceiver("audio", { direction: "recvonly" });
    const offer = await connection.createOffer();
    await connection.setLocalDescription(offer);
    const response = await request(`/api/self-test?over=${over}`, { method: "POST", body: offer.sdp ?? "", headers: { "Content-Type": "application/sdp" } });
    await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
    return await new Promise((resolve) => {
      setTimeout(() => resolve(false), TIMEOUT_MS);
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

/** What the browser tells without a permission prompt. @returns {Promise<MicrophoneState>} */
export async function microphoneState() {
  if (!navigator.mediaDevices) return "insecure";
  const devices = await navigator.mediaDevices.enumerateDevices();
  if (!devices.some((device) => device.kind === "audioinput")) return "none";
  try {
    const answer = await navigator.permissions.query({ name: /** @type {PermissionName} */ ("microphone") });
    return answer.state === "granted" ? "allowed" : answer.state === "denied" ? "refused" : "asks";
  } catch {
    return "asks"; // this browser cannot query it
  }
}

/** Open the microphone, with a prompt if needed, and close it at once. @returns {Promise<MicrophoneState>} */
export async function tryMicrophone() {
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
