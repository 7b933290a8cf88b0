/** A lasting connection without a browser: what becomes of it where a request about it is not answered. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { asked, connections, forget, GOOD, serve, servedBy } from "./fakes.mjs";

const { Connection } = await import("../../web/client/js/rtc/connection.js");

/** @type {InstanceType<typeof Connection>} */
let connection;
/** @type {string[]} */
let told;

/** Connected with the server; the next requests are answered so. @param {boolean} sends @param {(readonly [number, string] | "unreachable")[]} then */
async function connected(sends, ...then) {
  servedBy("here");
  serve(GOOD);
  forget();
  told = [];
  const track = /** @type {any} */ (sends ? {} : null);
  connection = new Connection(async () => {
    told.push(`${connections()[0]?.connectionState ?? "none"} before`);
    return { url: "/whip/Ada", track };
  });
  for (const type of ["up", "down", "lost"]) connection.addEventListener(type, () => told.push(type));
  await connection.open();
  told = [];
  serve(...then);
}

afterEach(() => connection?.close(false));

test("a broadcaster is heard by the first connection until another one is up", async () => {
  await connected(true, [502, "bad_gateway"], [503, "draining"], GOOD); // PATCH, and two offers
  await connection.check();
  const states = connections().map((each) => each.connectionState);
  assert.deepEqual([told, states], [["down", "connected before", "connected before", "up"], ["closed", "closed", "connected"]]);
  assert.deepEqual([asked().slice(1), connection.others.size], [["PATCH /whep/Ada/here.1", "POST /whip/Ada", "POST /whip/Ada"], 0]);
});

test("a server that has ended the session is not waited for", async () => {
  await connected(true, GOOD);
  if (connection.peer) connection.peer.endedByServer = true;
  await connection.check();
  assert.deepEqual(told, ["down", "closed before", "up"]);
});

test("a listener keeps a connection over which packets come again, though no request about it is answered", async () => {
  await connected(false, "unreachable");
  const [first] = connections();
  assert.ok(first);
  const looks = [100, 100, 100, 110]; // nothing comes for a moment, and then it does
  first.getStats = async () => new Map([["in", { type: "inbound-rtp", packetsReceived: looks.shift() ?? 120 }]]);
  await connection.check();
  assert.deepEqual([told, connections().length, first.connectionState], [["down", "up"], 1, "connected"]);
  assert.equal(first.signalingState, "stable"); // the offer of the restart is taken back
});

test("a broadcaster that is still connected is kept where no server has answered for a minute", async () => {
  await connected(true, "unreachable");
  const [now, first] = [performance.now, connections()[0]];
  connection.addEventListener("retry", () => (performance.now = () => now.call(performance) + 61_000), { once: true });
  await connection.check().finally(() => (performance.now = now));
  assert.deepEqual([told.at(-1), first?.connectionState, connection.peer?.connection === first], ["up", "connected", true]);
  assert.deepEqual([connection.closed, connection.others.size], [false, 0]);
});

test("a broadcaster that is refused is lost, though it is still connected", async () => {
  await connected(true, "unreachable", [403, "suspended"]);
  await connection.check();
  assert.deepEqual([told.at(-1), connection.closed, connections()[0]?.connectionState], ["lost", true, "closed"]);
});

test("a listener whose first connection carries sound again goes on with it, and hears nothing of the attempts", async () => {
  await connected(false, [502, "bad_gateway"], GOOD, "unreachable");
  const [first] = connections();
  assert.ok(first);
  let looks = 0;
  first.getStats = async () => new Map([["in", { type: "inbound-rtp", packetsReceived: (looks += 1) > 5 ? looks : 0 }]]);
  connection.addEventListener("track", () => told.push("track"));
  const real = RTCPeerConnection;
  Object.assign(globalThis, { RTCPeerConnection: class extends /** @type {any} */ (real) { connectionState = "failed"; } }); // its port is closed
  const wakes = setInterval(() => connections().slice(1).forEach((each) => each.dispatchEvent(new Event("connectionstatechange"))), 5);
  await connection.check();
  clearInterval(wakes);
  Object.assign(globalThis, { RTCPeerConnection: real });
  assert.deepEqual([told.at(-1), told.includes("track"), first.connectionState], ["up", false, "connected"]);
  assert.deepEqual([connection.peer?.connection === first, connections().length > 1], [true, true]);
});

test("Stop closes the connection that is still sent to, too", async () => {
  await connected(true, [502, "bad_gateway"]);
  const checking = connection.check();
  while (told.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  connection.close(false);
  await checking;
  assert.ok(connections().every((each) => each.connectionState === "closed"));
});
