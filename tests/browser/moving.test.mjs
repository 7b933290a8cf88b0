/** A broadcaster's connection that moves to another server, without a browser: both are sent to until the first one ends. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { asked, connections, forget, GOOD, serve, servedBy } from "./fakes.mjs";

const { Connection } = await import("../../web/client/js/rtc/connection.js");
const { move, nodeOf, settled } = await import("../../web/client/js/rtc/moving.js");

/** @type {InstanceType<typeof Connection>} */
let connection;
/** @type {string[]} */
let told;
const follower = { prepare: async () => undefined, take: () => void told.push("taken"), drop: () => void told.push("dropped") };
const track = /** @type {any} */ ({});

/** On air at the server `old`; the next requests are answered by `new`. @param {(readonly [number, string] | "unreachable")[]} then */
async function onAir(...then) {
  serve(GOOD);
  forget();
  servedBy("old");
  told = [];
  connection = new Connection(async () => ({ url: "/whip/Ada", track }));
  await connection.open();
  serve(...then);
  servedBy("new");
}

afterEach(() => {
  for (const retired of [...(connection?.others ?? [])]) retired.dispatchEvent(new Event("down")); // else node waits for their timers
  connection?.close(false);
});

test("the server's name stands in the Location", () => {
  assert.deepEqual([nodeOf("http://x.example/whip/Ada/a-1.Zm9v?x=a.b#c.d"), nodeOf("/whip/Ada/Zm9v"), nodeOf(""), nodeOf(null)], ["a-1", "", "", ""]);
});

test("both servers are sent to, also another microphone, until the first one ends", async () => {
  await onAir(GOOD);
  await Promise.all([move(connection, follower), move(connection, follower)]); // asked twice, moved once
  const [old, next] = connections();
  assert.ok(old && next && connections().length === 2);
  assert.deepEqual([nodeOf(connection.peer?.location), told, old.connectionState, next.connectionState], ["new", ["taken"], "connected", "connected"]);
  const other = /** @type {any} */ ({});
  await connection.replace(other);
  assert.ok(old.track === other && next.track === other);
  const [retired] = connection.others;
  retired?.dispatchEvent(new Event("down")); // the server has closed it
  assert.deepEqual([old.connectionState, next.connectionState, connection.others.size], ["closed", "connected", 0]);
  assert.ok(!asked().some((line) => line.startsWith("DELETE"))); // which would be Stop
});

test("what fails changes nothing, and is tried again", async () => {
  await onAir([503, "draining"], [503, "database_away"], GOOD);
  await move(connection, follower);
  assert.deepEqual([told, nodeOf(connection.peer?.location), connection.others.size], [["dropped", "dropped", "taken"], "new", 1]);
  assert.ok(!asked().some((line) => line.startsWith("DELETE")));
});

test("an answer of the same server is taken, and the next one asked for", async () => {
  await onAir(GOOD);
  servedBy("old");
  const moving = move(connection, follower);
  while (told.length < 1) await pause(5);
  servedBy("new");
  await moving;
  assert.deepEqual([told, nodeOf(connection.peer?.location), connections().map((each) => each.connectionState)], [["taken", "taken"], "new", ["connected", "connected", "connected"]]);
});

test("Stop closes all of them at once, also one that connects", async () => {
  await onAir(GOOD);
  const prepare = () => new Promise((resolve) => void setTimeout(resolve, 60));
  const moving = move(connection, { ...follower, prepare: async () => void (await prepare()) });
  await pause(30);
  connection.close(false);
  assert.ok(connections().length === 2 && connections().every((each) => each.connectionState === "closed"));
  await moving;
  assert.deepEqual([told, connections().length], [["dropped"], 2]);
});

test("Stop while the page still asks where to connect: no server is offered a microphone any more", async () => {
  await onAir(GOOD);
  /** @type {(plan: any) => void} */
  let answer = () => undefined;
  connection.plan = () => new Promise((resolve) => (answer = resolve));
  const before = asked().length;
  const moving = move(connection, follower);
  await pause(10);
  connection.close(false);
  answer({ url: "/whip/Ada", track });
  await moving;
  assert.deepEqual([asked().slice(before), connections().length, told.includes("taken")], [[], 1, false]);
});

/** A listener's connection. */
async function listens() {
  const listening = new Connection(async () => ({ url: "/whep/Ada", track: null }));
  await listening.open();
  const fake = connections().at(-1);
  assert.ok(fake && listening.peer);
  return { listening, peer: listening.peer, fake };
}

test("a listener moves when nothing is missing any more", async () => {
  serve(GOOD);
  forget();
  const { listening, peer, fake } = await listens();
  Object.assign(fake, { patchy: true });
  let over = false;
  const settling = settled(peer).then(() => (over = true));
  while (fake.packets <= 100) await pause(20);
  assert.ok(!over);
  Object.assign(fake, { patchy: false });
  const began = performance.now();
  await settling;
  assert.ok(performance.now() - began < 2000); // not because the time was over
  listening.close(false);
});

test("what is heard next waits as long in the buffer as what was heard before", async () => {
  serve(GOOD);
  forget();
  const [first, next] = [await listens(), await listens()];
  Object.assign(first.fake, { bufferS: 0.22 });
  const began = performance.now();
  await settled(next.peer, first.peer);
  assert.ok(performance.now() - began < 2000); // not because the time was over
  assert.equal(next.fake.receiver.jitterBufferTarget, 220);
  assert.equal(first.fake.receiver.jitterBufferTarget, 0);
  next.peer.easeBuffer();
  while (next.fake.receiver.jitterBufferTarget === 220) await pause(10);
  assert.equal(next.fake.receiver.jitterBufferTarget, 210); // by and by
  for (const { listening } of [first, next]) listening.close(false);
});

test("a connection that is lost, or over which packets come no more, does not settle", async () => {
  serve(GOOD);
  forget();
  const [lost, dead] = [await listens(), await listens()];
  Object.assign(dead.fake, { patchy: true });
  const settling = [lost, dead].map(({ peer }) => assert.rejects(settled(peer), { code: "no_udp" }));
  Object.assign(lost.fake, { connectionState: "disconnected" });
  await pause(100);
  assert.ok(dead.fake.packets > 0);
  Object.assign(dead.fake, { frozen: true });
  const began = performance.now();
  await Promise.all(settling);
  assert.ok(performance.now() - began < 5000); // before the limit for those over which none ever come
  for (const { listening } of [lost, dead]) listening.close(false);
});

test("a connection that was lost before it is taken is not taken", async () => {
  await onAir(GOOD);
  const [old] = connections();
  let times = 0;
  const prepare = async () => {
    if ((times += 1) === 1) Object.assign(connections().at(-1) ?? {}, { connectionState: "failed" });
  };
  await move(connection, { ...follower, prepare });
  assert.deepEqual([told, connections().length, old?.connectionState, connection.peer?.isConnected], [["dropped", "taken"], 3, "connected", true]);
});

test("one server alone is never left", async () => {
  await onAir(GOOD);
  connection.close(false);
  serve(GOOD);
  connection = new Connection(async () => ({ url: "/whip/Ada", track }));
  await connection.open();
  if (connection.peer) connection.peer.location = "http://here.example/whip/Ada/1";
  forget();
  await move(connection, follower);
  assert.deepEqual([asked(), told], [[], []]);
});
