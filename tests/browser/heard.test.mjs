/** What a listener is told: each sentence from the status and the connection that it is true of. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { notListening } from "../../web/client/js/rtc/listener.js";
import { cueDelay, hearing, isCurrent, isModelMissing, offered, recordingOf, soundOf } from "../../web/client/js/state/heard.js";
import { listening as words } from "../../web/client/js/words/listening.js";

const denoise = { enabled: true, denoiser: "deepfilternet3", state: "active", reason: null, strength_db: null };
const live = { live: true, state: "live", muted: false, duration_s: 60, denoise, recording: { id: 7, failed: null } };
const on = { ...notListening(), phase: "on", name: "Ada" };
/** @param {object} [listening] @param {object} [status] */
const of = (listening = {}, status = {}, online = true) => hearing({ ...on, ...listening }, "Ada", status && { ...live, ...status }, online);
/** @param {object} change */
const cleaned = (change) => ({ denoise: { ...denoise, ...change } });

test("what is heard follows the switch, the worker and the choice", () => {
  assert.equal(of(), "clean");
  assert.equal(of({ variant: "original" }), "chosen");
  assert.equal(of({}, { muted: true }), "muted");
  assert.equal(of({ muted: true }, { muted: true }), "muted");
  assert.equal(of({ muted: true }), "muted_here");
  assert.equal(of({ volume: 0, variant: "original" }), "no_volume");
  assert.equal(of({}, { state: "parked", muted: true }), "parked");
  assert.equal(of({}, { live: false, state: "ended" }), "waiting");
  assert.equal(of({}, cleaned({ enabled: false, state: "off" })), "turned_off");
  assert.equal(of({}, cleaned({ state: "starting" })), "starting");
  for (const reason of ["server_busy", "too_slow"]) assert.equal(of({}, cleaned({ state: "bypassed", reason })), "no_room");
  assert.equal(of({}, cleaned({ state: "bypassed", reason: "worker_failed" })), "failed");
  assert.equal(of({}, cleaned({ state: "bypassed", reason: null })), "bypassed");
  assert.equal(of({}, cleaned({ denoiser: "rnnoise", reason: "no weights" })), "meanwhile");
  assert.equal(of({}, cleaned({ denoiser: "passthrough" })), "passed_on");
  assert.equal(of({}, null), "unknown");
  assert.equal(hearing({ ...on, name: "Ben" }, "Ada", live, true), "off");
  assert.equal(hearing(notListening(), "Ada", live, true), "off");
});

test("a lost connection is told by what it is", () => {
  const lost = (change, online = true) => of({ phase: "reconnecting", ...change }, null, online);
  assert.equal(lost({}), "dropped");
  assert.equal(lost({ retry: "offline" }), "server_away");
  assert.equal(lost({ retry: "draining" }), "server_away");
  assert.equal(lost({ retry: "no_udp" }), "no_sound");
  assert.equal(lost({ retry: "offline" }, false), "no_network");
  assert.equal(of({ phase: "reconnecting" }, {}, false), "dropped", "the browser believes so, and the server answers");
  assert.equal(of({ phase: "waiting" }, {}, false), "waiting");
  assert.equal(lost({ phase: "waiting", stopped: true }), "stopped");
  assert.equal(lost({ phase: "waiting" }), "waiting");
  assert.equal(lost({ phase: "connecting" }), "connecting");
});

test("Clean or Raw is lit by what is heard, whatever was chosen, and neither while nothing is", () => {
  assert.equal(soundOf(of()), "clean");
  assert.equal(soundOf(of({}, cleaned({ state: "off" }))), "raw");
  assert.equal(soundOf(of({}, cleaned({ state: "bypassed", reason: "too_slow" }))), "raw");
  assert.equal(soundOf(of({ variant: "original" })), "raw");
  assert.equal(soundOf(of({}, null)), null, "the server does not say");
  for (const silent of [{ phase: "waiting" }, { phase: "connecting" }, { phase: "reconnecting", retry: "offline" }, { muted: true }, { volume: 0 }])
    for (const variant of ["auto", "original"]) assert.equal(soundOf(of({ ...silent, variant })), null, JSON.stringify(silent));
  for (const silent of [{ muted: true }, { state: "parked" }, { live: false, state: "ended" }]) assert.equal(soundOf(of({ variant: "original" }, silent)), null, JSON.stringify(silent));
});

test("what a broadcast sounds like is told as long as it sounds", () => {
  assert.equal(offered(live), "clean");
  assert.equal(offered({ ...live, ...cleaned({ state: "off" }) }), "raw");
  for (const silent of [undefined, { ...live, muted: true }, { ...live, state: "parked" }, { ...live, live: false, state: "ended" }]) assert.equal(offered(silent), null);
});

test("the recording is told once it is known, and never of a time before", () => {
  const at = (recording, more = {}) => recordingOf({ ...live, recording, ...more }, 0);
  assert.equal(at({ id: 7, failed: null }), "on");
  assert.equal(at({ id: null, failed: null }), "off");
  assert.equal(at({ id: null, failed: null }, { duration_s: 0.1 }), null, "it is being begun");
  assert.equal(recordingOf({ ...live, duration_s: 0.1, recording: { id: null, failed: null } }, 3), "off");
  assert.equal(at({ id: null, failed: "storage_full" }), "full");
  assert.equal(at({ id: 7, failed: "failed" }), "failed");
  for (const state of ["parked", "waiting", "ended"]) assert.equal(at({ id: 7, failed: null }, { state }), null);
  assert.equal(recordingOf(undefined, 0), null);
});

test("a status from before its socket was lost is not in force", () => {
  assert.deepEqual([isCurrent(undefined, undefined), isCurrent(5, undefined), isCurrent(5, 6), isCurrent(7, 6)], [false, true, false, true]);
});

test("every sentence about listening names who it is about, and says why", () => {
  assert.equal(words.hearing("turned_off", "ada"), "ada has turned cleaning off. You hear ada raw.");
  assert.equal(words.hearing("no_room", "Ada"), "The server has no room to clean. You hear Ada raw for now.");
  assert.equal(words.hearing("parked", "Ada", { waited_s: 12.4 }), "Waiting for Ada… 12 s");
  assert.equal(words.hearing("meanwhile", "Ada", { denoiser: "rnnoise", modelMissing: true }), "You hear Ada, cleaned by RNNoise until the model is there.");
  assert.equal(words.hearing("meanwhile", "Ada", { denoiser: "rnnoise" }), "You hear Ada, cleaned by RNNoise for now.");
  assert.deepEqual(["no weights", "weights are being fetched: 42 %", "too_slow", null].map((reason) => isModelMissing({ ...live, ...cleaned({ reason }) })), [true, true, false, false]);
});

test("a cue waits for the moment in which its sound is heard", () => {
  assert.equal(cueDelay([{ name: "clean", ms: 42 }, { name: "network", ms: 9 }, { name: "play", ms: 30 }]), 72);
  assert.equal(cueDelay([]), 0);
});
