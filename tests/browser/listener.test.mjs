/** The listener without a browser: what it does after each answer of the server, and each loss. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { asked, connections, forget, GOOD, serve, servedBy } from "./fakes.mjs";

const { Listener } = await import("../../web/client/js/rtc/listener.js");

/** @type {Listener} */
let listener;

/** @param {(readonly [number, string] | "unreachable")[]} told */
async function started(...told) {
  serve(...told);
  forget();
  listener = new Listener();
  const starting = listener.start("Ada");
  starting.catch(() => undefined);
  await pause(20);
}

/** @param {string} phase */
async function becomes(phase) {
  for (let tries = 0; listener.listening.phase !== phase && tries < 200; tries += 1) await pause(20);
  assert.equal(listener.listening.phase, phase);
}

afterEach(() => listener.stop());

test("a server that is away is asked until it is there, also at first", async () => {
  await started("unreachable", "unreachable", "unreachable", [503, "draining"], GOOD);
  assert.deepEqual([listener.listening.phase, listener.listening.retry], ["reconnecting", "offline"]);
  await becomes("on");
  assert.equal(listener.listening.retry, null);
});

test("who is not on air is waited for, and heard as soon as they are", async () => {
  await started([404, "not_live"]);
  await becomes("waiting");
  serve(GOOD);
  await listener.available();
  await becomes("on");
  listener.unavailable(true);
  assert.deepEqual([listener.listening.phase, listener.listening.stopped], ["waiting", true]);
  await listener.available();
  await becomes("on");
  assert.equal(listener.listening.stopped, false);
});

test("a refusal is an end that says why", async () => {
  await started([403, "not_friends"]);
  await becomes("off");
  assert.equal(listener.listening.trouble?.code, "not_friends");
});

test("a connection over which packets come is left alone, a dead one is replaced at once", async () => {
  await started(GOOD);
  await becomes("on");
  await listener.check();
  assert.equal(connections().length, 1);
  Object.assign(connections()[0], { frozen: true });
  serve([404, "no_such_session"], "unreachable", GOOD); // PATCH of what a killed server has forgotten, and two attempts
  await listener.check();
  await becomes("on");
  assert.equal(connections()[0].connectionState, "closed");
  assert.deepEqual(asked().filter((each) => each.startsWith("PATCH")), ["PATCH /whep/session/1"]);
});

test("after the computer has slept a connection over which nothing comes is replaced", async () => {
  await started(GOOD);
  await becomes("on");
  let slept = 0;
  listener.addEventListener("slept", () => (slept += 1));
  Object.assign(connections()[0], { frozen: true });
  serve([404, "no_such_session"], GOOD);
  listener.measuredAt -= 60_000; // the timer comes a minute late
  for (let tries = 0; connections().length < 2 && tries < 200; tries += 1) await pause(20);
  await becomes("on");
  assert.deepEqual([slept, connections().length], [1, 2]);
});

test("whoever is listened to anew is not muted", async () => {
  await started(GOOD);
  await becomes("on");
  listener.mute(true);
  await listener.start("Ben");
  assert.deepEqual([listener.listening.muted, listener.loudspeaker.muted], [false, false]);
});

test("what comes late from a connection that was given up changes nothing", async () => {
  await started("unreachable");
  assert.equal(listener.listening.phase, "reconnecting");
  listener.stop();
  await pause(300);
  assert.equal(listener.listening.phase, "off");
});

test("the variant is what the server sends, not what was pressed", async () => {
  await started(GOOD);
  await becomes("on");
  serve("unreachable");
  await listener.choose("original");
  assert.deepEqual([listener.listening.variant, listener.listening.trouble?.code], ["auto", "offline"]);
  serve(GOOD);
  await listener.choose("original");
  assert.deepEqual([listener.listening.variant, listener.listening.held, listener.listening.trouble], ["original", true, null]);
  Object.assign(connections()[0], { frozen: true });
  serve([404, "no_such_session"], GOOD);
  await listener.check();
  assert.equal(listener.listening.held, false, "a new session of the original is not held");
});

test("the answer to a choice is not waited for longer than others are", async () => {
  await started(GOOD);
  await becomes("on");
  const [real, signals] = [globalThis.fetch, /** @type {unknown[]} */ ([])];
  globalThis.fetch = (url, options) => (signals.push(options?.signal), real(url, options));
  await listener.choose("original");
  globalThis.fetch = real;
  assert.ok(signals.length === 1 && signals[0] instanceof AbortSignal);
});

test("what is chosen of a session that the server has forgotten is what the next one gets", async () => {
  await started(GOOD);
  await becomes("on");
  Object.assign(connections()[0], { frozen: true });
  serve([404, "no_such_session"], [404, "no_such_session"], GOOD); // PUT, the PATCH that looks whether it is still there, POST
  await listener.choose("original");
  await becomes("on");
  assert.deepEqual([listener.listening.variant, listener.listening.trouble], ["original", null]);
  assert.equal(asked().at(-1), "POST /whep/Ada?variant=original");
});

test("what is chosen while the connection is looked after is asked for once that is up", async () => {
  await started(GOOD);
  await becomes("on");
  Object.assign(connections()[0], { frozen: true });
  /** @type {string[]} what the page shows at each change while sound is there again */
  const shown = [];
  let chosen = false;
  listener.addEventListener("change", () => {
    const { phase, variant } = listener.listening;
    if (chosen && phase === "on") shown.push(variant);
    if (phase !== "reconnecting" || chosen) return;
    chosen = true;
    void listener.choose("original");
  });
  await listener.check(); // an ICE restart: the session stays, and with it what it sends
  for (let tries = 0; listener.listening.choosing && tries < 200; tries += 1) await pause(20);
  assert.deepEqual(asked(), ["POST /whep/Ada?variant=auto", "PATCH /whep/session/1", "PUT /whep/session/1/variant"]);
  assert.deepEqual([shown[0], listener.listening.variant, listener.listening.held], ["auto", "original", true]);
});

test("a choice that no new connection has taken over is asked of the one that is left", async () => {
  await started(GOOD);
  await becomes("on");
  const [first] = connections();
  Object.assign(first, { frozen: true });
  serve("unreachable"); // the restart, and each new attempt
  let chosen = false;
  listener.addEventListener("change", () => {
    if (listener.listening.phase !== "reconnecting" || chosen) return;
    chosen = true;
    void listener.choose("original");
  });
  const checking = listener.check();
  for (let tries = 0; !asked().includes("POST /whep/Ada?variant=original") && tries < 200; tries += 1) await pause(20);
  Object.assign(first, { frozen: false }); // it was a false alarm
  serve(GOOD);
  await checking;
  for (let tries = 0; listener.listening.choosing && tries < 200; tries += 1) await pause(20);
  assert.deepEqual([listener.connection?.peer?.connection === first, listener.listening.variant, asked().at(-1)], [true, "original", "PUT /whep/session/1/variant"]);
});

/** @param {string} node @param {{state?: string, cleaning?: string}} [but] */
const statusAt = (node, { state = "live", cleaning = "active" } = {}) => /** @type {any} */ ({ live: true, state, denoise: { state: cleaning }, node });

test("a broadcast that goes on at another server is followed there, and the first connection is kept until sound comes", async () => {
  servedBy("one.two"); // everything before the last dot is the server's name
  await started(GOOD);
  await becomes("on");
  for (const status of [statusAt("one.two"), statusAt(""), statusAt("new", { state: "parked" }), statusAt("new", { cleaning: "starting" })]) listener.follow(status);
  await pause(100);
  assert.equal(connections().length, 1);
  servedBy("new");
  const [first] = connections();
  listener.follow(statusAt("new"));
  listener.follow(statusAt("new")); // told twice, followed once
  await pause(60);
  const second = connections()[1];
  assert.ok(first && second);
  assert.deepEqual([first.connectionState, listener.connection?.peer?.connection === first], ["connected", true]);
  for (let tries = 0; first.connectionState !== "closed" && tries < 200; tries += 1) await pause(20);
  assert.deepEqual([first.connectionState, listener.connection?.peer?.connection === second, listener.listening.phase], ["closed", true, "on"]);
  assert.deepEqual([connections().length, asked().filter((line) => line.startsWith("DELETE"))], [2, ["DELETE /whep/Ada/one.two.1"]]);
});

test("the original that is held is held at the other server too", async () => {
  servedBy("old");
  await started(GOOD);
  await becomes("on");
  await listener.choose("original");
  servedBy("new");
  const before = asked().length;
  listener.follow(statusAt("new"));
  for (let tries = 0; connections()[0]?.connectionState !== "closed" && tries < 200; tries += 1) await pause(20);
  assert.deepEqual(asked().slice(before), ["POST /whep/Ada?variant=auto", "PUT /whep/Ada/new.1/variant", "DELETE /whep/Ada/old.1"]);
  assert.ok(listener.listening.held);
});

test("a status that comes while the connection is looked after is followed nevertheless", async () => {
  servedBy("old");
  await started(GOOD);
  await becomes("on");
  Object.assign(connections()[0], { frozen: true });
  let seen = false;
  listener.addEventListener("change", () => {
    if (seen || listener.listening.phase !== "reconnecting") return;
    seen = true;
    listener.follow(statusAt("new"));
  });
  await listener.check();
  assert.deepEqual([listener.listening.phase, seen], ["on", true]);
  Object.assign(connections()[0], { frozen: false });
  servedBy("new");
  for (let tries = 0; connections()[0]?.connectionState !== "closed" && tries < 200; tries += 1) await pause(20);
  assert.equal(listener.connection?.peer?.location, "http://here.example/whep/Ada/new.1");
});

/** @param {string} node */
async function arrives(node) {
  const location = `http://here.example/whep/Ada/${node}.1`;
  for (let tries = 0; listener.connection?.peer?.location !== location && tries < 300; tries += 1) await pause(20);
  assert.equal(listener.connection?.peer?.location, location);
}

test("a status that comes while the page connects is followed once it is connected", async () => {
  servedBy("old");
  serve("unreachable", GOOD);
  forget();
  listener = new Listener();
  const starting = listener.start("Ada");
  assert.equal(listener.listening.phase, "connecting");
  listener.follow(statusAt("new"));
  listener.addEventListener("change", () => listener.listening.phase === "on" && servedBy("new"));
  await starting;
  await arrives("new");
});

test("of the statuses that come while the connection moves the last one is followed afterwards", async () => {
  servedBy("old");
  await started(GOOD);
  await becomes("on");
  servedBy("second");
  listener.follow(statusAt("second"));
  for (const node of ["first", "third"]) listener.follow(statusAt(node));
  await arrives("second");
  servedBy("third");
  await arrives("third");
  for (let tries = 0; listener.connection?.moving && tries < 200; tries += 1) await pause(20);
  assert.equal(listener.later, null);
});

test("a status of somebody who was left meanwhile is followed no more", async () => {
  servedBy("old");
  await started("unreachable");
  listener.follow(statusAt("new"));
  serve(GOOD);
  await listener.start("Ben");
  await pause(100);
  assert.deepEqual([listener.later, connections().filter((each) => each.connectionState === "connected").length], [null, 1]);
});

test("where no sound comes from the other server the first connection stays, and it is tried again", async () => {
  servedBy("old");
  await started(GOOD);
  await becomes("on");
  serve([503, "draining"], [503, "draining"], GOOD);
  servedBy("new");
  listener.follow(statusAt("new"));
  await pause(100);
  assert.deepEqual([listener.listening.phase, listener.connection?.peer?.connection === connections()[0]], ["on", true]);
  for (let tries = 0; connections()[0]?.connectionState !== "closed" && tries < 300; tries += 1) await pause(20);
  assert.equal(listener.connection?.peer?.location, "http://here.example/whep/Ada/new.1");
  assert.ok(connections().slice(1, -1).every((each) => each.connectionState === "closed"));
});

test("whoever stops listening meanwhile leaves no connection behind", async () => {
  servedBy("old");
  await started(GOOD);
  await becomes("on");
  servedBy("new");
  listener.follow(statusAt("new"));
  await pause(40);
  listener.stop();
  await pause(300);
  assert.ok(connections().length === 2 && connections().every((each) => each.connectionState === "closed"));
});
