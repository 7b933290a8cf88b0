/** Numbers, times and sentences. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { clock, day, listenersText, size, span } from "../../web/client/js/page/format.js";
import { hearingParts, latencyText, sendingParts } from "../../web/client/js/rtc/latency.js";
import { quietText } from "../../web/client/js/page/titles.js";
import { troubleText } from "../../web/client/js/words/errors.js";

const status = { live: true, listeners: 1, listener_names: ["Ada"], denoise: { enabled: true, denoiser: "deepfilternet3", state: "active", reason: null, strength_db: null },
  latency_ms: { algorithmic: 40, ingest: { p50: 0.2, p99: 1 }, worker: { p50: 3, p99: 5 }, fanout: { p50: 0.4, p99: 2 } } };

test("a clock shows hours only where there are any", () => {
  assert.deepEqual([0, 7.9, 723, 3723, -1].map(clock), ["0:00", "0:07", "12:03", "1:02:03", "0:00"]);
});

test("a length is said in the largest fitting unit", () => {
  assert.deepEqual([8.6, 59.7, 60, 2520, 7500, 7200].map(span), ["8 s", "59 s", "1 min", "42 min", "2 h 5 min", "2 h"]);
});

test("days are named as people name them", () => {
  const now = new Date(2026, 2, 20, 9, 0);
  const at = (...parts) => day(new Date(...parts).toISOString(), now, "en");
  assert.deepEqual([at(2026, 2, 20, 1), at(2026, 2, 19, 23), at(2026, 2, 17, 12), at(2026, 2, 1, 12), at(2025, 2, 1, 12)], ["today", "yesterday", "Tuesday", "March 1", "March 1, 2025"]);
});

test("sizes and listeners read like a sentence", () => {
  assert.deepEqual([900, 4_348_487, 2_100_000_000].map(size), ["1 kB", "4.3 MB", "2.1 GB"]);
  assert.equal(listenersText(3, ["Ada", "Ben", "Cem"]), "3 listening: Ada, Ben, Cem");
  assert.equal(listenersText(2, null), "2 listening");
  assert.equal(listenersText(2, ["Ben", "link:1"]), "2 listening: Ben, a guest");
  assert.equal(listenersText(4, ["Ben", "link:1", "link:12"]), "4 listening: Ben, guests");
  assert.equal(listenersText(0, []), "Nobody is listening yet.");
});

test("the latency is a sum of its rounded parts", () => {
  const parts = sendingParts(status, 9);
  assert.equal(latencyText(parts), "53 ms: network 9 · clean 43 · server 1");
  const bypassed = { ...status, denoise: { ...status.denoise, state: "bypassed" } };
  assert.equal(latencyText(sendingParts(bypassed, 9)), "50 ms: network 9 · held 40 · server 1", "nothing cleans");
  assert.equal(latencyText(sendingParts(status, null)), "44 ms: clean 43 · server 1", "what was not measured is not drawn");
  assert.deepEqual(sendingParts(undefined, 9), []);
  assert.deepEqual(hearingParts(undefined, { network_ms: 9, play_ms: 30, held: true }), [], "a part is not the sum");
  assert.deepEqual(hearingParts({ ...status, live: true }, { network_ms: 9, play_ms: null, held: true }), [], "nothing was played yet");
  assert.equal(latencyText(hearingParts({ ...status, live: true }, { network_ms: 9, play_ms: 30, held: true })), "83 ms: server 1 · clean 43 · network 9 · play 30");
  assert.equal(latencyText(hearingParts({ ...status, live: true }, { network_ms: 9, play_ms: 30, held: true, variant: "original" })), "80 ms: server 1 · held 40 · network 9 · play 30", "raw by choice");
  assert.equal(latencyText(hearingParts({ ...status, live: true }, { network_ms: null, play_ms: 30, held: false })), "31 ms: server 1 · play 30", "the original, not held");
});

test("no sentence has an exclamation mark, and an unknown trouble still has one", () => {
  for (const code of ["insecure", "refused", "no_microphone", "unplugged", "taken_over", "offline", "never_heard_of"]) {
    const text = troubleText({ code, detail: "" });
    assert.match(text, /^[A-Z].*\.$/);
    assert.ok(!text.includes("!"));
  }
});

test("somebody quiet was last on air, or never", () => {
  assert.match(quietText("Ada", [{ state: "ready", started_at: new Date().toISOString(), duration_s: 2520 }]), /^Ada is quiet\. Last on air today, 42 min\.$/);
  assert.equal(quietText("Ada", undefined), "Ada is quiet.");
  assert.equal(quietText("Ada", []), "Ada is quiet. No recordings yet.");
});
