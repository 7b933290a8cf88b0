/** Numbers, times and sentences. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { cleaned, clock, day, denoiserName, listening, size, span } from "../../web/client/js/page/format.js";
import { hearingParts, latencyText, sendingParts } from "../../web/client/js/rtc/latency.js";
import { quietText } from "../../web/client/js/page/titles.js";
import { airText, bypassText, denoiserText, modelText, troubleText, uncleanedText } from "../../web/client/js/page/messages.js";

const air = { phase: "preview", trouble: null, muted: false, silent: false, steady: false, profile: "voice", echo: false, devices: [], device: "", settings: null, network_ms: null };
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
  assert.equal(listening(3, ["Ada", "Ben", "Cem"]), "3 listening: Ada, Ben, Cem");
  assert.equal(listening(2, null), "2 listening");
  assert.equal(listening(2, ["Ben", "link:1"]), "2 listening: Ben, a guest");
  assert.equal(listening(4, ["Ben", "link:1", "link:12"]), "4 listening: Ben, guests");
  assert.equal(listening(0, []), "Nobody is listening yet.");
});

test("a recording that is clean in part says so", () => {
  const said = [[false, 0], [true, 1], [true, 0.996], [true, 0.62], [true, 0.0004]].map(([denoised, denoised_share]) => cleaned({ denoised, denoised_share }));
  assert.deepEqual(said, ["Raw only", "Clean and raw", "Clean and raw", "62 % clean, and raw", "1 % clean, and raw"]);
});

test("the latency is a sum of its rounded parts", () => {
  const parts = sendingParts(status, 9);
  assert.equal(latencyText(parts), "73 ms: capture 20 · network 9 · clean 43 · server 1");
  const bypassed = { ...status, denoise: { ...status.denoise, state: "bypassed" } };
  assert.equal(latencyText(sendingParts(bypassed, 9)), "70 ms: capture 20 · network 9 · held 40 · server 1", "nothing cleans");
  assert.deepEqual(sendingParts(undefined, 9), []);
  assert.deepEqual(hearingParts(undefined, { network_ms: 9, play_ms: 30 }), [], "a part is not the sum");
  assert.deepEqual(hearingParts(status, { network_ms: 9, play_ms: 30, variant: "original" }), [], "it may wait for no denoiser");
});

test("the sentence on air says the worst first", () => {
  assert.equal(airText({ ...air, trouble: { code: "no_udp", detail: "", port: 9001 } }, undefined).split(".")[0], "UDP 9001 is not open on the server");
  assert.equal(airText({ ...air, phase: "reconnecting" }, status), "Your connection dropped. Trying again, still recording.");
  assert.equal(airText({ ...air, phase: "live", silent: true }, status), "We hear nothing. Is it muted on the headset?");
  assert.equal(airText({ ...air, phase: "live" }, status), "Ada can hear you.");
  assert.equal(airText({ ...air, phase: "live" }, { ...status, listeners: 1, listener_names: ["link:3"] }), "A guest can hear you.");
  assert.equal(airText({ ...air, phase: "live", muted: true, silent: true }, status), "You are muted.");
  assert.equal(airText({ ...air, steady: true }, undefined), "Steady noise heard. It will be removed.");
});

test("a bypass says who hears what, and why", () => {
  assert.equal(bypassText("server_busy", 1), "The server is busy. Friends hear you as you are.");
  assert.match(bypassText("worker_failed", 0), /Turn Denoise off and on/);
  assert.equal(uncleanedText("Ada", "too_slow"), "The server is busy. You hear Ada uncleaned.");
  for (const reason of ["worker_failed", "no_weights", null]) assert.match(uncleanedText("Ada", reason), /You hear Ada uncleaned/);
  assert.ok(!uncleanedText("Ada", "no_weights").includes("busy"));
});

test("missing weights are named together with what serves meanwhile", () => {
  const rows = [{ name: "deepfilternet3", latency_ms: 30, available: false, reason: "weights are being fetched: 42 %", default: false }, { name: "rnnoise", latency_ms: 0, available: true, reason: null, default: true }];
  assert.equal(modelText(rows), "DeepFilterNet 3: weights are being fetched: 42 %. RNNoise cleans meanwhile.");
  assert.equal(modelText(rows, false), "DeepFilterNet 3: weights are being fetched: 42 %.");
  assert.equal(modelText([{ ...rows[0], available: true, reason: null }]), null);
  assert.equal(modelText([{ ...rows[0], reason: "no weights" }]), "DeepFilterNet 3: no weights; the host gets them by run.py models fetch deepfilternet3.");
});

test("the quickest denoiser is named so, with what it costs, and when it will be quick", () => {
  assert.match(denoiserName("deepfilternet3_ll"), /^Quickest/);
  assert.match(denoiserText("deepfilternet3_ll"), /20 ms sooner.*three times its work on the server\.$/);
  assert.match(denoiserText("deepfilternet3_ll", 40), /from your next start\.$/);
  assert.doesNotMatch(denoiserText("deepfilternet3_ll", 20), /next start/);
  assert.equal(denoiserText("deepfilternet3", 40), "");
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
  assert.equal(quietText("Ada", []), "Ada is quiet, and has not been on air yet.");
});
