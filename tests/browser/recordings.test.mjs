/** What recordings say of themselves, and how they are drawn. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { olderOf } from "../../web/client/js/state/recordings.js";
import { cleaning, heardAt, isEarlierPart, making, ownNow, spanAt } from "../../web/client/js/state/cleaning.js";
import { partsOf } from "../../web/client/js/views/waveform.js";
import { recordings as words } from "../../web/client/js/words/recordings.js";

const off = (from_s, to_s) => ({ from_s, to_s, kind: "denoise_off", reason: null });
const bypass = (from_s, to_s, reason = null) => ({ from_s, to_s, kind: "bypass", reason });
const gap = (from_s, to_s, reason = null) => ({ from_s, to_s, kind: "gap", reason });
const recording = (spans = [], more = {}) => ({ id: 7, state: "ready", started_at: "2026-03-20T20:14:00Z", duration_s: 100, denoised: true, denoised_share: spans.length ? 0.9 : 1, spans, ...more });
const said = (each) => words.uncleaned(cleaning(each));
const status = (more = {}) => ({ live: true, state: "live", since: "2026-03-20T20:00:00Z", recording: { id: 7, failed: null }, ...more });

test("the row says how much of a recording is clean", () => {
  const extent = (...given) => words.extent(cleaning(recording(...given)));
  assert.equal(extent([], { denoised: false, denoised_share: 0 }), "not cleaned");
  assert.equal(extent(), "cleaned");
  assert.equal(extent([bypass(0, 0.4)], { denoised_share: 0.996 }), "cleaned", "less than a second");
  assert.equal(extent([bypass(0, 0.5)], { denoised_share: 0.8, duration_s: 2.5 }), "0.5 s not cleaned", "of a short one");
  assert.equal(extent([off(10, 22)], { denoised_share: 0.88 }), "12 s not cleaned");
  assert.equal(extent([off(10, 22), gap(50, 90)], { denoised_share: 0.8 }), "12 s not cleaned", "gaps are no sound");
});

test("a sentence says what was not cleaned, where and why", () => {
  assert.equal(said(recording()), "All of it was cleaned.");
  assert.equal(said(recording([], { denoised: false, denoised_share: 0 })), "None of it was cleaned.");
  assert.equal(said(recording([off(0, 100)], { denoised: false, denoised_share: 0 })), "None of it was cleaned: cleaning was turned off.");
  assert.equal(said(recording([], { denoised_share: 0.62 })), "Cleaned, but for 38 s.", "of an older server");
  assert.equal(said(recording([off(10, 22)])), "Cleaned, but for 0:10 to 0:22 (cleaning was turned off).");
  assert.equal(said(recording([bypass(0, 0.36), off(10, 22), bypass(40, 40.5, "server_busy")])),
    "Cleaned, but for the first 0.4 s (cleaning was starting), 0:10 to 0:22 (cleaning was turned off), and 0.5 s at 0:40 (the server had no room).");
  assert.equal(said(recording([off(10, 12), off(20, 23)])), "Cleaned, but for 0:10 to 0:12 and 0:20 to 0:23 (cleaning was turned off).");
  const many = [2, 9, 3, 8, 4, 7].map((length, index) => off(index * 15, index * 15 + length));
  assert.equal(said(recording(many, { denoised_share: 0.67 })), "Cleaned, but for 33 s in 6 places, the longest: 0:15 to 0:24, 0:45 to 0:53, 1:00 to 1:04, and 1:15 to 1:22 (cleaning was turned off).");
  for (const reason of ["too_slow", "worker_failed", "no_weights", "of_later"]) assert.match(said(recording([bypass(5, 9, reason)])), /^Cleaned, but for 0:05 to 0:09 \([a-z ]+\)\.$/);
});

test("what is missing is said with who was away", () => {
  const missing = (spans, name) => words.missing(cleaning(recording(spans)), name);
  assert.equal(missing([], null), "");
  assert.equal(missing([gap(40, 45, "parked")], null), "Nothing was received: 0:40 to 0:45 (you were away).");
  assert.equal(missing([gap(40, 45, "takeover"), gap(0, 30, "node_away")], null), "Nothing was received: 0:40 to 0:45 (another server took over). 30 s are at a server that is away.");
  assert.equal(missing([gap(0, 30, "node_away")], "Ada"), "30 s are at a server that is away.");
  assert.equal(missing([gap(40, 45, "parked"), gap(50, 52, "restart"), gap(60, 60.2)], "Ada"), "Nothing was received: 0:40 to 0:45 (Ada was away), 0:50 to 0:52 (the server was away), and 0.2 s at 1:00 (it was lost on the way).");
});

test("what is heard at a moment follows the spans", () => {
  const part = recording([off(10, 22), gap(40, 45)]);
  assert.deepEqual([0, 10, 21.9, 22, 41].map((at) => heardAt(part, "denoised", at)), ["clean", "raw", "raw", "clean", "gap"]);
  assert.deepEqual([0, 10, 41].map((at) => heardAt(part, "original", at)), ["raw", "raw", "gap"]);
  assert.equal(heardAt(recording([], { denoised: false }), "denoised", 0), "raw");
  assert.equal(words.here(spanAt(part, 12), null), "You hear this part raw: cleaning was turned off.");
  assert.equal(words.here(spanAt(part, 30), null), "");
});

test("a recording that is not finished says what happens to it", () => {
  const live = recording([], { state: "live" });
  assert.equal(making(live, status(), true), "going");
  assert.equal(making(live, status({ state: "parked" }), true), "waiting");
  assert.equal(making(live, status(), false), "away");
  assert.equal(making(live, undefined, true), "unknown");
  assert.equal(making(live, status({ recording: { id: 7, failed: "storage_full" } }), true), "full");
  assert.equal(making(live, status({ recording: { id: null, failed: "failed" } }), true), "failed");
  assert.equal(making(live, status({ recording: { id: 8, failed: null } }), true), "closing");
  assert.equal(making(live, { live: false, recording: { id: null, failed: null } }, true), "closing");
  assert.doesNotMatch(words.making.going("Ada"), /delete/, "a friend deletes nothing");
});

test("whether one is recorded now comes from the status", () => {
  assert.equal(ownNow(undefined, true), "none");
  assert.equal(ownNow({ live: false }, true), "none");
  assert.equal(ownNow(status(), true), "recorded");
  assert.equal(ownNow(status({ recording: { id: null, failed: null } }), true), "not_recorded");
  assert.equal(ownNow(status({ recording: { id: 7, failed: "storage_full" } }), true), "full");
  assert.equal(ownNow(status({ state: "parked" }), true), "waiting");
  assert.equal(ownNow(status(), false), "away");
});

test("what was recorded before recording was turned off is a part of what is on air", () => {
  const first = recording();
  assert.equal(isEarlierPart(first, status({ recording: { id: null, failed: null } })), true);
  assert.equal(isEarlierPart(first, status({ recording: { id: 8, failed: null } })), true);
  assert.equal(isEarlierPart(first, status()), false, "it is the one being made");
  assert.equal(isEarlierPart(first, status({ since: "2026-03-20T21:00:00Z" })), false, "of a broadcast before");
  assert.equal(isEarlierPart(first, { live: false, since: null }), false);
  assert.equal(words.earlierPart(cleaning(first)), "cleaned, up to where recording was turned off");
});

test("a waveform is drawn in parts without overlap that cover all of it", () => {
  assert.deepEqual(partsOf(recording([off(10, 20), gap(20, 30)]), 0.01).map((part) => [part.from, part.to, part.kind]),
    [[0, 0.1, "clean"], [0.1, 0.2, "raw"], [0.2, 0.3, "gap"], [0.3, 1, "clean"]]);
  assert.deepEqual(partsOf(recording([off(99.99, 100)]), 0.02).map((part) => part.kind), ["clean", "raw"]);
  assert.deepEqual(partsOf(recording([], { denoised: false }), 0.01), [{ from: 0, to: 1, kind: "raw" }]);
  for (const spans of [[off(0, 100)], [off(0, 0.1), off(0.2, 0.3), gap(0.3, 0.31)], [off(50, 200)]]) {
    const parts = partsOf(recording(spans), 0.02);
    assert.equal(parts[0].from, 0);
    assert.ok(Math.abs(parts.at(-1).to - 1) < 1e-9);
    parts.slice(1).forEach((part, index) => assert.equal(part.from, parts[index].to));
  }
});

test("a list that is loaded anew keeps its older part", () => {
  const items = (from, to) => Array.from({ length: from - to + 1 }, (_, index) => ({ id: from - index }));
  assert.deepEqual(olderOf(items(80, 11), items(81, 32)).map((item) => item.id), items(31, 11).map((item) => item.id));
  assert.deepEqual(olderOf(items(30, 1), items(29, 1)), [], "a first page that is not full is all there is");
});
