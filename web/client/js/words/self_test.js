/** What the self-test's page says: what works, what that means, what to do. */

/** @typedef {import("../rtc/self_test.js").Reachability} Reachability */
/** @typedef {import("../rtc/self_test.js").MicrophoneState} MicrophoneState */

export const selfTest = {
  title: "Does it work from here?",
  way: "The way to the server",
  microphone: "Microphone",
  again: "Test again",
  tryMicrophone: "Try the microphone",
  trying: "Trying UDP and TCP.",
  /** @type {Record<MicrophoneState, string>} */
  microphones: {
    allowed: "The microphone may be used.",
    asks: "The browser will ask before the microphone is used.",
    refused: "The microphone is not allowed here. Allow it in the address bar of the browser, then test again.",
    insecure: "This address has no HTTPS, so the browser gives no microphone. Listening works. Open the https address of this server to talk.",
    none: "No microphone found. Plug one in, then test again.",
    busy: "The microphone does not open. Perhaps another program holds it. Close that, then test again.",
  },
};

/** The result as a sentence: what works, what that means, what to do. Pure. @param {Reachability} found @returns {string} */
export function reachabilityText({ udp, tcp, web, port }) {
  if (udp === "ok" && web === "ok") return `UDP works. Sound gets through${tcp === "ok" ? ", and over TCP too" : ""}; in networks without UDP by the port of this page.`;
  if (udp === "ok" && tcp === "ok") return "UDP works, and TCP too. Sound gets through.";
  if (udp === "ok" && tcp === "unoffered") return "UDP works. Sound gets through. The server offers no TCP.";
  if (udp === "ok") return `UDP works. Sound gets through. TCP ${port} is closed: people in networks without UDP will not reach this server.`;
  if (tcp === "ok") return `Only TCP works. Sound gets through, but it may stutter where the network is busy. UDP ${port} is closed, in your network or at the server.`;
  if (web === "ok") return `Only the port of this page works. Sound gets through, but it may stutter where the network is busy. Port ${port} is closed for UDP${tcp === "unoffered" ? "" : " and TCP"}, in your network or at the server.`;
  return `Nothing gets through. Port ${port} is closed for UDP${tcp === "unoffered" ? "" : " and TCP"}, in your network or at the server. Whoever hosts this has to open it.`;
}

