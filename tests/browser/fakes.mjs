/** A browser's WebRTC, audio and fetch for tests in node: connections are up at once and packets come, unless a test says otherwise. */

/** The answers that the next requests get, the last one again and again: [status, code] or "unreachable". @type {(readonly [number, string] | "unreachable")[]} */
let answers = [];
/** @type {string[]} */
let requests = [];
/** What the Location of a session ends in. */
let session = "session/1";
/** @type {FakeConnection[]} */
let made = [];

class FakeConnection extends EventTarget {
  constructor() {
    super();
    Object.assign(this, { connectionState: "connected", iceConnectionState: "connected", signalingState: "stable", packets: 0, concealed: 0, delay: 0, count: 0, frozen: false, patchy: false });
    made.push(this);
  }
  addTransceiver(given) {
    this.sends = typeof given !== "string";
    this.receiver = { transport: null, jitterBufferTarget: null };
    return { receiver: this.receiver, sender: { transport: null, replaceTrack: async (track) => void (this.track = track) } };
  }
  createOffer = async () => ({ type: "offer", sdp: "v=0\r\n" });
  setLocalDescription = async ({ type }) => void (this.signalingState = type === "rollback" ? "stable" : "have-local-offer");
  setRemoteDescription = async () => {
    this.signalingState = "stable";
    this.ontrack?.({ streams: [{}] });
  };
  getStats = async () => {
    this.packets += this.frozen ? 0 : 10;
    this.concealed += this.patchy ? 480 : 0;
    this.count += 960;
    this.delay += 960 * Math.max(this.bufferS ?? 0.04, (this.receiver?.jitterBufferTarget ?? 0) / 1000);
    const played = { jitterBufferDelay: this.delay, jitterBufferEmittedCount: this.count };
    return new Map(this.sends ? [] : [["in", { type: "inbound-rtp", packetsReceived: this.packets, concealedSamples: this.concealed, ...played }]]);
  };
  close() {
    this.connectionState = "closed";
  }
}

class FakeAudio {
  play = async () => undefined;
}

class FakeNode {
  fftSize = 0;
  stream = {};
  gain = { value: 1, setTargetAtTime: () => undefined };
  context = { currentTime: 0 };
  connect = (to) => to;
  disconnect = () => undefined;
}

class FakeContext {
  state = "running";
  createAnalyser = () => new FakeNode();
  createMediaStreamSource = () => new FakeNode();
  createMediaStreamDestination = () => new FakeNode();
}

if (!("navigator" in globalThis)) Object.assign(globalThis, { navigator: {} });
Object.defineProperty(navigator, "onLine", { value: true });
Object.assign(globalThis, {
  RTCPeerConnection: FakeConnection, Audio: FakeAudio, location: { href: "http://here.example/" }, addEventListener: () => undefined, removeEventListener: () => undefined,
  MediaStream: class {}, RTCRtpSender: { getCapabilities: () => null }, AudioContext: FakeContext, GainNode: FakeNode, DynamicsCompressorNode: FakeNode, WaveShaperNode: FakeNode,
  fetch: async (url, { method }) => {
    const { pathname, search } = new URL(url, "http://here.example");
    requests.push(`${method} ${pathname}${search}`);
    const answer = (answers.length > 1 ? answers.shift() : answers[0]) ?? "unreachable";
    if (answer === "unreachable") throw new TypeError("no");
    const [status, code] = answer;
    const good = pathname.startsWith("/api/") ? "null" : "v=0\r\n";
    return new Response(status < 300 ? good : JSON.stringify({ code }), { status, headers: { Location: `/whep/${session}` } });
  },
});
export const GOOD = /** @type {const} */ ([201, ""]);

/** Answer so from now on. @param {...(readonly [number, string] | "unreachable")} told */
export function serve(...told) {
  answers = told;
}

/** From now on this server, of several, answers. @param {string} node */
export function servedBy(node) {
  session = `Ada/${node}.1`;
}

/** Forget what happened so far. */
export function forget() {
  requests = [];
  made = [];
}

/** The requests since then: "POST /whep/Ada?variant=auto". */
export const asked = () => requests;
/** The connections since then, oldest first. */
export const connections = () => made;
