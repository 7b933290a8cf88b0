// A small client in a page; client.html says how it is served. The server's page /api describes all that is asked here.
// `python3 -m tests.examples.document_types URL examples` writes openapi.d.ts and asyncapi.d.ts beside this file: with them editors and
// `tsc --checkJs` know each path, field and message that is named here. Browsers need neither.
/** @import { components, paths as Paths } from "./openapi" */
/** @typedef {import("./asyncapi").components["schemas"]["Sockets"]} Sockets */
/** @template {keyof Paths} P @typedef {Paths[P] extends { post: { requestBody: { content: infer B } } } ? B : never} Taken  by media type */
/** @template P @typedef {P extends { post: { responses: { 201: { content: { "application/json": infer B } } } } } ? B : never} Made */

const element = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
const say = (/** @type {string} */ text) => element("said").append(`${text}\n`);
const filled = (/** @type {string} */ path, /** @type {string} */ name) => path.replace(/\{\w+\}/, encodeURIComponent(name));

/** name: what stands in the path's braces. @template {keyof Paths} P @template {keyof Taken<P>} M @param {P} path @param {M} media
 * @param {Taken<P>[M]} body @returns {Promise<Omit<Response, "json"> & { json(): Promise<Made<Paths[P]>> }>} */
async function post(path, media, body, name = "") {
  const sent = typeof body === "string" ? body : JSON.stringify(body);
  const answer = await fetch(filled(path, name), { method: "POST", headers: { "Content-Type": String(media) }, body: sent });
  if (answer.ok) return answer;
  throw new Error(/** @type {components["schemas"]["Problem"]} */ (await answer.json()).detail);
}

/** An offer by WHIP or WHEP; `work` begins once sound can flow, and its end ends the call.
 * @param {"/whip/{username}" | "/whep/{username}"} path @param {string} name @param {RTCPeerConnection} peer @param {() => unknown} work */
async function call(path, name, peer, work) {
  await peer.setLocalDescription();
  const answer = await post(path, "application/sdp", peer.localDescription?.sdp ?? "", name);
  await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  const end = () => (peer.close(), fetch(answer.headers.get("Location") ?? "", { method: "DELETE" }));
  await new Promise((done, fail) => (peer.onconnectionstatechange = () =>
    peer.connectionState === "connected" ? done(null) : peer.connectionState === "failed" && fail(new Error("no way for sound")))).then(work).finally(end);
}

/** `hear` gets each message. Returns what sends one. @template {keyof Sockets} S @param {S} path @param {string} name
 * @param {(message: Sockets[S]["gives"]) => void} hear @returns {(message: Sockets[S]["takes"]) => void} */
function socket(path, name, hear) {
  const opened = new WebSocket(location.origin.replace("http", "ws") + filled(path, name));
  opened.onmessage = ({ data }) => hear(JSON.parse(data));
  return (message) => opened.send(JSON.stringify(message));
}

/** @type {Record<string, (field: any) => Promise<void>>} what each form does */
const ACTS = {
  async login({ username, password }) {
    await post("/api/login", "application/json", { username, password });
    socket("/ws/presence", "", ({ type, data }) => {
      if (type === "all_statuses") say(`friends: ${data.friends.map((friend) => friend.username).join(" ")}`);
      if (type === "streaming_status_update") say(`${data.username} ${data.is_streaming ? "is live" : "has ended"}`);
    });
  },
  async publish({ username, file }) {
    const peer = new RTCPeerConnection(), context = new AudioContext(), sent = context.createMediaStreamDestination();
    const voice = new AudioBufferSourceNode(context, { buffer: await context.decodeAudioData(await file.arrayBuffer()) });
    voice.connect(sent);
    peer.addTrack(sent.stream.getTracks()[0]);
    await call("/whip/{username}", username, peer, () => new Promise((done) => [(voice.onended = done), voice.start()]));
  },
  async listen({ friend, seconds }) {
    const peer = new RTCPeerConnection(), { track } = peer.addTransceiver("audio", { direction: "recvonly" }).receiver;
    const recorder = new MediaRecorder((element("ear").srcObject = new MediaStream([track])));
    recorder.ondataavailable = ({ data }) => Object.assign(element("heard"), { href: URL.createObjectURL(data) }).click();
    recorder.start();
    await call("/whep/{username}", friend, peer, () => new Promise((done) => setTimeout(done, 1000 * seconds)));
    recorder.stop();
  },
  async chords() {
    const { id } = await (await post("/api/companions", "application/json", { kind: "practice" })).json();
    const send = socket("/ws/session/{id}", id, ({ type, data }) => {
      if (type === "desk") element("pad").hidden = false;
      if (type === "chord_change") say(`all devices have ${data.chord}`);
    });
    element("pad").onclick = (/** @type {any} */ { target: { value } }) => value && send({ type: "chord_change", data: { chord: value } });
  },
};
for (const [id, act] of Object.entries(ACTS)) {
  element(id).onsubmit = () => {
    act(Object.fromEntries(new FormData(element(id)))).catch((error) => say(`${id}: ${error.message}`));
    return false; // the page stays
  };
}
