/** What the studio says about the sound that friends get, about recording and about delays. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { idleBroadcast } from "../../web/client/js/rtc/broadcaster.js";
import { withQuery } from "../../web/client/js/rtc/hear_yourself.js";
import { packetsOf, packetTime, roundTrip } from "../../web/client/js/rtc/sending_stats.js";
import { messageText } from "../../web/client/js/state/broadcasting.js";
import { delays, onAir, strengthOf } from "../../web/client/js/state/onair.js";
import { marksSoFar } from "../../web/client/js/state/marks.js";
import { denoiserName } from "../../web/client/js/page/format.js";
import { broadcasting as words, denoiserText, modelText } from "../../web/client/js/words/broadcasting.js";
import { latencyText } from "../../web/client/js/words/listening.js";

const idle = { ...idleBroadcast(), phase: "preview" };
const live = { ...idleBroadcast(), phase: "live", network_ms: 9, packet_ms: 20 };
const status = {
  live: true, state: "live", broadcast: "b1", duration_s: 60, listeners: 1, listener_names: ["Ada"], muted: false, recording: { id: 7, failed: null },
  denoise: { enabled: true, denoiser: "deepfilternet3", state: "active", reason: null, strength_db: null },
  latency_ms: { algorithmic: 40, ingest: { p50: 0.2, p99: 1 }, worker: { p50: 3, p99: 5 }, fanout: { p50: 0.4, p99: 2 } },
};
const facts = (broadcast, known = status, online = true, age_ms = 0) => onAir({ broadcast, online }, known, age_ms);
const denoise = (change) => ({ ...status, denoise: { ...status.denoise, ...change } });
const gets = (known, broadcast = live) => words.gets(facts(broadcast, known));

test("what friends get comes from the server's status, with the reason", () => {
  assert.equal(gets(status), "Friends hear you clean, by DeepFilterNet 3.");
  assert.equal(gets(denoise({ enabled: false, state: "off" })), "Friends hear you raw: Denoise is off.");
  assert.equal(gets(denoise({ state: "starting" })), "Friends hear you raw until Denoise has started.");
  for (const reason of ["server_busy", "too_slow"]) assert.match(gets(denoise({ state: "bypassed", reason })), /raw for now: the server has no room/);
  assert.match(gets(denoise({ state: "bypassed", reason: "worker_failed" })), /Turn Denoise off and on/);
  assert.equal(gets(denoise({ denoiser: "rnnoise", reason: "no weights" })), "Friends hear you clean, by RNNoise until DeepFilterNet 3 is there.");
  assert.match(gets(denoise({ denoiser: "rnnoise", reason: "server_busy" })), /by RNNoise: the server has no room for the one you chose/);
  assert.match(gets(denoise({ denoiser: "passthrough" })), /raw: no denoiser is chosen/);
  assert.equal(facts(live, denoise({ denoiser: "passthrough" })).gets.what, "raw");
  assert.equal(gets({ ...status, muted: true }), "Friends hear silence.");
  assert.equal(gets({ ...status, state: "parked" }, idle), "Friends wait: nothing comes from you.");
  assert.equal(gets(status, { ...live, phase: "reconnecting" }), "Friends wait until you are connected again.");
  assert.equal(gets({ ...status, live: false, state: "ended", broadcast: null }, idle), "");
});

test("a muted broadcaster is muted on every tab, whatever the tab has pressed", () => {
  assert.equal(facts(idle, { ...status, muted: true }).muted, true);
  assert.equal(facts(live, { ...status, muted: true }).message, "muted");
  assert.equal(facts({ ...live, muted: true }, status).muted, true, "the microphone is shut at once");
  assert.equal(facts({ ...idle, muted: true }, status).muted, false, "another tab sends");
});

test("what is said of recording is true, also without the server", () => {
  const recorded = (broadcast, known, online = true, age_ms = 0) => words.recorded(facts(broadcast, known, online, age_ms));
  const none = { ...status, recording: { id: null, failed: null } };
  assert.equal(recorded(live, status), "This is recorded.");
  assert.equal(recorded(live, { ...none, duration_s: 0.1 }), "This is recorded.", "from the first packet on");
  assert.equal(recorded({ ...live, record: false }, { ...none, duration_s: 0.1 }), "This is not recorded.");
  assert.equal(recorded(live, none), "This is not recorded.");
  assert.match(recorded(live, { ...status, recording: { id: 7, failed: "storage_full" } }), /the disk of the server is full/);
  assert.match(recorded(live, { ...status, recording: { id: null, failed: "failed" } }), /cannot write the recording/);
  assert.equal(recorded(live, status, false, 6000), "Not recorded until the server is back.");
  assert.equal(recorded(live, status, false, 1000), "This is recorded.", "asked by HTTP where sockets fail");
  assert.equal(recorded(idle, null), "Your broadcast will be recorded.");
  assert.equal(recorded({ ...idle, record: false }, null), "Your broadcast will not be recorded.");
});

test("the sentence under the ribbon says the worst first", () => {
  const said = (broadcast, known, online = true, age_ms = 0) => messageText(facts(broadcast, known, online, age_ms));
  assert.equal(said({ ...idle, trouble: { code: "no_udp", detail: "", port: 9001 } }, null).split(".")[0], "UDP 9001 is not open on the server");
  const dropped = { ...live, phase: "reconnecting" };
  assert.equal(said(dropped, status), "Your connection dropped. Trying again; the recording goes on.");
  assert.equal(said(dropped, { ...status, recording: { id: null, failed: null } }), "Your connection dropped. Trying again.");
  assert.equal(said(dropped, status, false, 6000), "The server does not answer. Trying again.");
  assert.equal(said({ ...live, silent: true }, status), "We hear nothing. Is it muted on the headset?");
  assert.equal(said(live, status), "Ada can hear you.");
  assert.equal(said(live, { ...status, listener_names: ["link:3"] }), "A guest can hear you.");
  assert.equal(said({ ...live, muted: true, silent: true }, status), "You are muted.");
  assert.equal(said({ ...idle, steady: true }, null), "Steady noise heard. It will be removed.");
  assert.match(said({ ...live, trouble: { code: "unplugged", detail: "" } }, status), /Friends hear nothing until you plug it in/);
  assert.match(said({ ...live, substitute: "Webcam" }, status), /“Webcam” is used now/);
});

test("who was taken over is told so while the other one sends, and no longer", () => {
  const lost = { ...idle, trouble: { code: "taken_over", detail: "" } };
  assert.deepEqual([facts(lost).where, facts(lost).message, facts(lost).trouble?.code], ["elsewhere", "note", "taken_over"]);
  const over = facts(lost, { ...status, live: false, state: "ended", broadcast: null });
  assert.deepEqual([over.where, over.trouble, over.message], ["off", null, "preview"]);
  assert.equal(facts(lost, { ...status, state: "parked" }).trouble, null);
});

test("the latency is a sum of its rounded parts, each of them measured", () => {
  const parts = (known, broadcast = live) => delays(facts(broadcast, known), broadcast, known);
  assert.equal(latencyText(parts(status)), "73 ms: capture 20 · network 9 · clean 43 · server 1");
  assert.equal(latencyText(parts(denoise({ enabled: false, state: "off" }))), "70 ms: capture 20 · network 9 · held 40 · server 1", "nothing cleans");
  assert.equal(latencyText(parts(status, { ...live, network_ms: null, packet_ms: null })), "44 ms: clean 43 · server 1");
  assert.equal(latencyText(parts(status, { ...idle, network_ms: 9, packet_ms: 20 })), "44 ms: clean 43 · server 1", "another tab sends");
  assert.deepEqual(parts({ ...status, state: "parked" }, idle), []);
  assert.deepEqual(parts({ ...status, live: false }, idle), []);
  assert.deepEqual(parts({ ...status, muted: true }), [], "nothing is heard that has a delay");
});

test("the browser's statistics tell the round trip and the packets", () => {
  const at = (timestamp, packetsSent, retransmittedPacketsSent = 0) => [{ type: "outbound-rtp", id: "a", timestamp, packetsSent, retransmittedPacketsSent }, { type: "candidate-pair", nominated: true, currentRoundTripTime: 0.018 }];
  assert.equal(roundTrip(at(0, 0)), 9);
  assert.equal(roundTrip([]), null);
  assert.equal(packetTime(packetsOf(at(0, 0)), packetsOf(at(1000, 53, 3))), 20);
  assert.equal(packetTime(null, packetsOf(at(0, 0))), null);
  assert.equal(packetTime(packetsOf(at(0, 5)), packetsOf(at(1000, 5))), null);
});

test("the limit is the chosen one, and otherwise what suits the profile", () => {
  assert.deepEqual([["voice", undefined], ["music", undefined], ["music", null], ["voice", 0]].map(([profile, strength_db]) => strengthOf({ profile, strength_db })), [null, 12, null, 0]);
});

test("an address gets more in its query", () => {
  assert.equal(withQuery("/whep/Ada?hear_yourself=x", { variant: "original" }), "/whep/Ada?hear_yourself=x&variant=original");
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

test("LIVE is said only while what is said is sent on, and nobody is named who cannot hear", () => {
  const now = (broadcast, known, online = true, age_ms = 0) => facts(broadcast, known, online, age_ms);
  const sign = (...given) => now(...given).sign;
  const parked = { ...status, state: "parked" };
  const ended = { ...status, live: false, state: "ended", broadcast: null, recording: { id: null, failed: null } };
  assert.equal(sign(live, status), "live");
  assert.equal(sign({ ...live, muted: true }, status), "live");
  assert.equal(sign(idle, status), "live", "another tab sends");
  assert.equal(sign(idle, parked), "waiting");
  assert.equal(sign(live, parked), "waiting");
  assert.equal(sign(live, { ...ended, state: "waiting" }), "connecting");
  assert.equal(sign({ ...idle, phase: "connecting" }, parked), "connecting");
  assert.equal(sign({ ...idle, phase: "connecting" }, status), "live", "the other one still sends");
  assert.equal(sign({ ...live, phase: "reconnecting" }, status), "reconnecting");
  for (const broadcast of [live, idle, { ...live, phase: "reconnecting" }]) assert.equal(sign(broadcast, status, false, 6000), "reconnecting");
  assert.equal(sign({ ...live, phase: "stopping" }, status), "stopping");
  assert.equal(sign(idle, ended), "offline");
  assert.equal(now(live, parked).message, "unheard");
  assert.deepEqual(now(live, status, false, 6000).names, []);
});

test("nothing is said of a recording that cannot be known", () => {
  const recorded = (broadcast, known, online = true, age_ms = 0) => facts(broadcast, known, online, age_ms).recorded;
  const opening = { ...status, recording: { id: null, failed: null }, duration_s: 1 };
  const ended = { ...status, live: false, state: "ended", broadcast: null, recording: { id: null, failed: null } };
  assert.equal(recorded(live, opening, false, 6000), "away", "its row was being written when the server went");
  assert.equal(recorded({ ...live, record: false }, opening, false, 6000), "off");
  assert.equal(recorded(live, { ...opening, duration_s: 60 }, false, 6000), "off", "this server makes none");
  assert.equal(recorded(idle, opening), "unknown", "another tab has just begun");
  assert.equal(recorded({ ...live, phase: "stopping" }, ended), "unknown");
  assert.equal(words.recorded(facts({ ...live, phase: "stopping" }, ended)), "");
  assert.equal(recorded(live, { ...status, state: "parked" }), "holds");
  for (const code of ["insecure", "refused", "no_microphone", "no_udp"]) assert.equal(recorded({ ...idleBroadcast(), trouble: { code, detail: "" } }, ended), "unknown");
  assert.equal(recorded(idle, ended, false, 6000), "unknown");
});

test("Start can work unless a microphone is known to be missing", () => {
  const possible = (change) => facts({ ...idleBroadcast(), ...change }, null).microphone;
  assert.equal(possible({}), true, "the browser has not been asked");
  for (const code of ["insecure", "refused", "no_microphone", "busy_microphone", "unplugged"]) assert.equal(possible({ trouble: { code, detail: "" } }), false);
  assert.equal(possible({ trouble: { code: "no_udp", detail: "" } }), true);
  assert.equal(possible({ phase: "preview", trouble: { code: "unplugged", detail: "" } }), true);
});

test("marks made before a reload stand at their place in the broadcast, once each", () => {
  const known = { ...status, since: "2026-03-01T20:00:00Z", recording: { id: 7, failed: null } };
  const recording = (id, started_at, state, chapters) => ({ id, started_at, state, chapters });
  const chord = (at_s, text) => ({ at_s, kind: "chord", text });
  const recordings = [
    recording(7, "2026-03-01T20:05:00Z", "live", [chord(2, "Am"), { at_s: 3, kind: "other", text: "x" }]),
    recording(6, "2026-03-01T20:00:00Z", "ready", [chord(10, "C"), { at_s: 11, kind: "practice", text: "started" }]),
    recording(5, "2026-02-01T20:00:00Z", "ready", [chord(1, "G")]),
  ];
  const all = marksSoFar(recordings, known, [chord(302.1, "Am"), chord(305, "Am")]);
  assert.deepEqual(all.map(({ at_s, text }) => [at_s, text]), [[10, "C"], [11, "started"], [302, "Am"], [305, "Am"]]);
  assert.deepEqual(marksSoFar([], known, [chord(1, "C")]), [chord(1, "C")]);
});
