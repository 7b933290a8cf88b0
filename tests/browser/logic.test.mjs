/** Routes, levels, delays, keys: what decides without a page. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { Problem, request } from "../../web/client/js/server/api.js";
import { Broadcaster, whipUrl } from "../../web/client/js/rtc/broadcaster.js";
import { actionOf } from "../../web/client/js/page/shortcuts.js";
import { backoff, isFinal } from "../../web/client/js/rtc/connection.js";
import { bufferDelay } from "../../web/client/js/rtc/receiving_stats.js";
import { dbfs, FLOOR_DBFS, noiseFloor } from "../../web/client/js/rtc/meter.js";
import { constraints } from "../../web/client/js/rtc/microphone.js";
import { noteText } from "../../web/client/js/page/links.js";
import { QuietMoment } from "../../web/client/js/rtc/quiet_moment.js";
import { isIdle } from "../../web/client/js/state/build_watch.js";
import { isPublic, nextOf, routeOf } from "../../web/client/js/state/route.js";
import { interpolate } from "../../web/client/js/server/broadcast_sockets.js";
import { settingsText } from "../../web/client/js/words/broadcasting.js";
import { storageText } from "../../web/client/js/views/library.js";
import { withHeard } from "../../web/client/js/views/listen.js";
import { inOrder } from "../../web/client/js/views/people.js";
import { levelHeight, pseudoRandom } from "../../web/client/js/views/ribbon.js";
import { keyPosition, keyVariant } from "../../web/client/js/views/opened_recording.js";
import { amplitudes } from "../../web/client/js/views/waveform.js";

const at = (path) => routeOf(new URL(path, "http://here"));

test("a link for others says what they will meet", () => {
  assert.deepEqual(["localhost", "voice.localhost", "127.0.0.1", "[::1]"].map((host) => noteText(host, "self-signed")), Array(4).fill("This address leads here on this computer only."));
  assert.match(noteText("192.0.2.7", "self-signed"), /warn about the certificate/);
  assert.deepEqual(["voice.example", "localhost.example", "10.127.0.1"].map((host) => noteText(host, null)), ["", "", ""]);
});

test("every address has its page, with or without a slash at its end", () => {
  assert.deepEqual(["/", "/#friends", "/studio", "/login", "/register/", "/library", "/search?q=a", "/settings", "/user/Ada", "/join/7", "/l/abc", "/else"].map((path) => at(path).page),
    ["home", "friends", "studio", "login", "register", "library", "search", "settings", "user", "join", "link", "lost"]);
  assert.equal(at("/user/a%20b/").name, "a b");
  assert.equal(at("/user/%").name, "%");
});

test("only the door, a remote, a listen link and what leads nowhere are open to strangers", () => {
  assert.deepEqual(["/login", "/register", "/join/1", "/l/x", "/else", "/", "/user/Ada"].map((path) => isPublic(at(path))), [true, true, true, true, true, false, false]);
});

test("after signing in one goes to the page that was asked for, of this site and no other", () => {
  const next = (path) => nextOf(`?next=${encodeURIComponent(path)}`, "https://here.example");
  for (const path of ["/library", "/search?q=a%20b&x=1", "/user/M%C3%BCller", "/#friends", "/l/abc"]) assert.equal(next(path), path);
  const elsewhere = ["//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "https:evil.example", "javascript:alert(1)", "/\t/evil.example",
    "\n//evil.example", "/\u0000library", "/library\\..", "/.//evil.example", "/..//evil.example", "/%2f/evil.example", "library", "", " /library", "https://here.example/library"];
  for (const path of [...elsewhere, "/login?next=/login", "/register", "/nowhere"]) assert.equal(next(path), "/", path);
  assert.equal(nextOf("", "https://here.example"), "/");
});

test("loudness is RMS in dBFS, and silence has a floor", () => {
  assert.equal(dbfs(new Float32Array(8)), FLOOR_DBFS);
  assert.ok(Math.abs(dbfs(new Float32Array(8).fill(0.1)) + 20) < 0.01);
});

test("what is heard is drawn as clean only while a denoiser is at work", () => {
  const told = { original: -30, denoised: null };
  for (const state of ["starting", "bypassed", "off"]) assert.deepEqual(withHeard(told, -20, "auto", state), { original: -20, denoised: null });
  assert.deepEqual(withHeard(told, -20, "auto", "active"), { original: -30, denoised: -20 });
  assert.deepEqual(withHeard(told, -20, "auto"), { original: -30, denoised: -20 });
  assert.deepEqual(withHeard(told, -20, "original", "active"), { original: -20, denoised: null });
  assert.equal(withHeard(told, null, "auto", "active"), told);
});

test("a voice does not lift the noise floor, a fan does", () => {
  const voice = Array.from({ length: 50 }, (_, index) => (index % 3 ? -20 : -80));
  assert.equal(noiseFloor(voice), -80);
  assert.equal(noiseFloor(voice.map((level) => Math.max(level, -50))), -50);
  assert.equal(noiseFloor([]), FLOOR_DBFS);
});

test("the ribbon's height is nothing at silence and full at a shout", () => {
  assert.deepEqual([null, -100, -66, 0, 6].map(levelHeight), [0, 0, 0, 1, 1]);
  assert.ok(levelHeight(-40) < levelHeight(-20));
});

test("fuzz is scattered evenly, and the same each time", () => {
  const places = Array.from({ length: 4000 }, (_, index) => pseudoRandom(index % 200, Math.floor(index / 200)));
  assert.ok(places.every((place) => place >= 0 && place < 1));
  assert.ok(Math.abs(places.reduce((sum, place) => sum + place, 0) / places.length - 0.5) < 0.03);
  assert.equal(pseudoRandom(3, 4), pseudoRandom(3, 4));
});

test("between two levels the line glides", () => {
  assert.equal(interpolate(-40, -20, 0.5), -30);
  assert.equal(interpolate(null, -20, 0.5), -20);
  assert.equal(interpolate(-20, null, 0.5), null);
});

test("the browser's buffer is the mean of what played since the last look", () => {
  assert.equal(bufferDelay({ delay: 1, count: 100 }, { delay: 3, count: 200 }), 20);
  assert.equal(bufferDelay({ delay: 1, count: 100 }, { delay: 1, count: 100 }), null);
});

test("refusals are final, a busy or absent server is asked again", () => {
  assert.deepEqual([[404, "not_live"], [403, "not_friends"], [429, "too_many"], [503, "draining"], [0, "offline"]].map(([status, code]) => isFinal(new Problem(status, code, ""))), [true, true, false, false, false]);
  assert.ok([0, 1, 2, 3, 9].map(backoff).every((delay, index, all) => delay <= 1000 && (!index || delay >= all[index - 1])));
});

test("a server that does not answer in time counts as one that is not there", async () => {
  const mute = createServer(() => undefined);
  await new Promise((then) => mute.listen(0, "127.0.0.1", then));
  try {
    const asked = request(`http://127.0.0.1:${mute.address().port}/`, { method: "POST", body: "" }, 50);
    await assert.rejects(asked, (problem) => problem instanceof Problem && problem.code === "offline");
  } finally {
    mute.closeAllConnections();
    mute.close();
  }
});

test("the microphone is asked for without the browser's own cleaning", () => {
  assert.deepEqual(constraints({ device: "", echo: true, stereo: false }), { noiseSuppression: false, autoGainControl: false, echoCancellation: true, channelCount: 1 });
  assert.deepEqual(constraints({ device: "x", echo: false, stereo: true }).deviceId, { exact: "x" });
});

test("packets change in a pause, or at the quietest moment where they must", () => {
  const heard = (/** @type {(ms: number) => [boolean, number, boolean]} */ at) => {
    const moment = new QuietMoment();
    for (let ms = 0; ; ms += 30) {
      const when = moment.look(ms, ...at(ms));
      if (when !== "later") return [when, ms];
    }
  };
  const beat = (/** @type {number} */ ms) => -20 - (ms % 500) / 25; // down to -39 before each beat
  assert.deepEqual(heard((ms) => [ms >= 600, -60, false]), ["now", 720], "five looks at a pause");
  assert.deepEqual(heard((ms) => [ms % 150 !== 0, -60, false]), ["never", 8010], "four looks are none");
  const [when, ms] = heard((ms) => [false, beat(ms), true]);
  assert.ok(when === "now" && ms > 4000 && ms < 6000 && beat(ms) < -39, `${when} ${ms}`);
  assert.deepEqual(heard((ms) => [false, ms < 4000 ? -50 : -20, true]), ["now", 8010], "at the end in any case");
  assert.deepEqual(heard((ms) => [false, beat(ms), ms > 6000]).slice(0, 1), ["now"], "asked for once more while it waits");
});

test("what the browser really does is said, also where it does not tell", () => {
  assert.match(settingsText({ noiseSuppression: true, autoGainControl: false, sampleRate: 48000 }), /noise suppression on, gain control off, echo cancellation not told. 48 kHz/);
});

test("only As it is goes out undenoised, and a title is escaped", () => {
  assert.equal(whipUrl("Ada", "asis", "a & b"), "/whip/Ada?denoise=0&title=a+%26+b");
  assert.equal(whipUrl("Ada", "voice", ""), "/whip/Ada?denoise=1");
  assert.equal(whipUrl("Ada", "voice", "", true), "/whip/Ada");
});

test("the denoiser that was chosen begins with the broadcast, and what is on air keeps its own", () => {
  assert.equal(whipUrl("Ada", "voice", "", false, "deepfilternet3_ll"), "/whip/Ada?denoise=1&denoiser=deepfilternet3_ll");
  assert.equal(whipUrl("Ada", "voice", "", true, "deepfilternet3_ll"), "/whip/Ada");
});

test("what is on air muted is taken over with the microphone of the preview shut", async () => {
  globalThis.addEventListener ??= () => undefined;
  globalThis.removeEventListener ??= () => undefined;
  const track = { enabled: true }, broadcaster = new Broadcaster();
  broadcaster.microphone.stream = { getAudioTracks: () => [track], getTracks: () => [] };
  const started = broadcaster.start("Ada", "", { live: true, muted: true });
  assert.deepEqual([broadcaster.broadcast.muted, track.enabled], [true, false]);
  await started; // there is no connection to be had here
  assert.equal(broadcaster.onAir, false);
});

test("live friends come first", () => {
  const names = inOrder([{ username: "Cem", live: false }, { username: "Ben", live: true }, { username: "Ada", live: false }]).map((friend) => friend.username);
  assert.deepEqual(names, ["Ben", "Ada", "Cem"]);
});

test("arrows move five seconds and stay inside the recording", () => {
  assert.deepEqual(["ArrowLeft", "ArrowRight", "Home", "End", "x"].map((key) => keyPosition(key, 3, 7)), [0, 7, 0, 7, null]);
});

test("A and B compare the two sides of a recording that has both", () => {
  const plain = { ctrlKey: false, metaKey: false, altKey: false };
  const both = ["original", "denoised"];
  assert.deepEqual(["a", "B", "c", "Home"].map((key) => keyVariant({ ...plain, key }, both)), ["denoised", "original", null, null]);
  assert.equal(keyVariant({ ...plain, key: "a" }, ["original"]), null);
  assert.equal(keyVariant({ ...plain, key: "a", ctrlKey: true }, both), null);
});

test("peaks are drawn by their larger half", () => {
  assert.deepEqual(amplitudes({ duration_s: 1, peaks: [[-0.25, 0.04], [0, 0]] }), [0.5, 0]);
  assert.deepEqual(amplitudes(undefined), []);
});

test("a single key means something only where it can do something", () => {
  const state = { keys: true, me: {}, route: { page: "home" }, listening: { phase: "off" }, player: { recording: null }, statuses: {} };
  assert.equal(actionOf(" ", state), null);
  assert.equal(actionOf(" ", { ...state, player: { recording: {} } }), "play");
  assert.equal(actionOf(" ", { ...state, route: { page: "user", name: "Ada" }, statuses: { Ada: { live: true } } }), "listen");
  assert.equal(actionOf("m", { ...state, keys: false }), null);
  assert.equal(actionOf("?", { ...state, keys: false }), "help");
});

test("the room that is used is told with its limit", () => {
  assert.equal(storageText({ used_bytes: 2_000_000, quota_bytes: null, keep_days: null }), "2.0 MB used.");
  assert.equal(storageText({ used_bytes: 2_000_000, quota_bytes: 5_000_000, keep_days: 30 }), "2.0 MB of 5.0 MB used. Each recording is kept for 30 days.");
});

test("a reload loses nothing only where nothing goes on, is chosen or can be undone", () => {
  const idle = {
    broadcast: { phase: "preview", record: true }, listening: { phase: "off" }, player: { recording: null }, deleted: [], toast: { text: "Done." },
  };
  assert.ok(isIdle(idle));
  const busy = [
    ...["asking", "connecting", "live", "reconnecting"].map((phase) => ({ broadcast: { ...idle.broadcast, phase } })), { broadcast: { ...idle.broadcast, record: false } }, { listening: { phase: "reconnecting" } }, { player: { recording: {} } }, { deleted: [7] }, { toast: { text: "", action: {} } },
  ];
  for (const change of busy) assert.ok(!isIdle({ ...idle, ...change }), JSON.stringify(change));
});
