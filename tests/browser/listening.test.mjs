/** The wish to listen: what ends it and what does not, what is told, and what is remembered. */
import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { connections, forget, GOOD, serve } from "./fakes.mjs";

const { Listener, notListening } = await import("../../web/client/js/rtc/listener.js");
const { ListeningWish } = await import("../../web/client/js/state/listening.js");
const { hearingNow, statusNow } = await import("../../web/client/js/state/hearing_now.js");

const denoise = { enabled: true, denoiser: "rnnoise", state: "active", reason: null, strength_db: null };
const none = { p50: 0, p99: 0 };
const LIVE = { username: "Ada", live: true, state: "live", broadcast: "b1", title: "Tea", muted: false, duration_s: 60, denoise, recording: { id: 1, failed: null },
  latency_ms: { algorithmic: 40, ingest: none, worker: none, fanout: none } };
const ENDED = { ...LIVE, live: false, state: "ended", broadcast: null, title: null };

class FakeSockets extends EventTarget {
  watch = () => () => undefined;
  isOpen = () => true;
  wake = () => undefined;
  doubted = [];
  doubt = (name) => void this.doubted.push(name);
  /** @param {string} type @param {unknown} [value] */
  tell(type, value = null) {
    this.dispatchEvent(new CustomEvent(type, { detail: { name: "Ada", value } }));
  }
}

/** Preferences that are never stored. */
function remembered() {
  const values = new Map();
  return { get: (key, name = "") => values.get(`${key} ${name}`), set: (key, value, name = "") => void values.set(`${key} ${name}`, value) };
}

/** What of the app the wish uses, with all that was said. */
function fakeApp() {
  const store = {
    state: { listening: notListening(), statuses: {}, clocks: {}, lost: {}, cues: {}, recordings: {}, route: { page: "home" } },
    set(change) {
      this.state = { ...this.state, ...change };
    },
  };
  const app = {
    store, listener: new Listener(), broadcastSockets: new FakeSockets(), preferences: remembered(), said: [], toasts: [],
    get state() {
      return store.state;
    },
    announce: (text) => app.said.push(text),
    toast: ({ text }) => app.toasts.push(text),
    adopt(name, status) {
      const { statuses, clocks } = store.state;
      store.set({ statuses: { ...statuses, [name]: status }, clocks: { ...clocks, [name]: performance.now() } });
      app.listening.follow(name, status, statuses[name]);
    },
  };
  app.listening = new ListeningWish(app);
  return app;
}

/** @type {ReturnType<typeof fakeApp>} */
let app;
async function hearingAda() {
  serve(GOOD);
  forget();
  app = fakeApp();
  app.adopt("Ada", LIVE);
  await app.listening.start("Ada");
  assert.equal(hearingNow(app.state, "Ada"), "clean");
}
const phase = () => app.state.listening.phase;

afterEach(() => {
  app.listening.stop();
  mock.timers.reset();
});

test("after Stop one waits for Go on, hears the next broadcast, and no longer waits after a minute", async () => {
  await hearingAda();
  mock.timers.enable({ apis: ["setTimeout"] });
  serve([404, "not_live"]);
  app.adopt("Ada", ENDED);
  assert.equal(hearingNow(app.state, "Ada"), "stopped");
  serve(GOOD);
  app.adopt("Ada", { ...LIVE, broadcast: "b2" });
  await app.listener.available();
  assert.equal(connections().length, 2);
  mock.timers.tick(61_000);
  app.adopt("Ada", ENDED);
  mock.timers.tick(59_000);
  assert.equal(phase(), "waiting");
  mock.timers.tick(2000);
  assert.equal(phase(), "off");
  assert.deepEqual(app.toasts, ["Ada has stopped. You no longer listen."]);
});

test("a Stop that parks the broadcast for a moment is a Stop", async () => {
  await hearingAda();
  app.adopt("Ada", { ...LIVE, state: "parked" });
  app.adopt("Ada", ENDED);
  assert.equal(hearingNow(app.state, "Ada"), "stopped");
});

test("who was lost is waited for without an end", async () => {
  await hearingAda();
  mock.timers.enable({ apis: ["setTimeout"] });
  app.adopt("Ada", { ...LIVE, state: "parked" });
  assert.equal(hearingNow(app.state, "Ada"), "parked");
  app.listening.parkedAt -= 15_000;
  app.adopt("Ada", ENDED);
  mock.timers.tick(3_600_000);
  assert.equal(hearingNow(app.state, "Ada"), "waiting");
});

test("a broadcast that was gone when the server came back was not stopped by anybody", async () => {
  await hearingAda();
  app.broadcastSockets.tell("lost");
  assert.equal(statusNow(app.state, "Ada"), undefined, "what it said before is not in force");
  assert.equal(hearingNow(app.state, "Ada"), "unknown");
  app.broadcastSockets.tell("open");
  app.adopt("Ada", ENDED);
  assert.equal(hearingNow(app.state, "Ada"), "waiting");
});

test("a status that says live while the sound is refused as nobody is on air is asked for again", async () => {
  await hearingAda();
  assert.deepEqual(app.broadcastSockets.doubted, []);
  app.listening.stop();
  serve([404, "not_live"]);
  await app.listening.start("Ada");
  assert.equal(phase(), "waiting");
  assert.deepEqual(app.broadcastSockets.doubted, ["Ada"]);
});

test("what nobody watches any more is not known any more", async () => {
  await hearingAda();
  app.broadcastSockets.tell("left");
  assert.equal(app.state.statuses.Ada, undefined);
});

test("whoever is refused hears and sees nothing more, and is told wherever one is", async () => {
  await hearingAda();
  app.broadcastSockets.tell("refused", 4403);
  assert.equal(phase(), "off");
  assert.equal(app.state.statuses.Ada, undefined);
  assert.deepEqual(app.toasts, ["You and Ada are not friends, so you do not hear each other."]);
  assert.ok(app.listening.refused.has("Ada"));
  app.adopt("Ada", LIVE);
  assert.ok(!app.listening.refused.has("Ada"), "friends again");
});

test("each change is announced once, when it has settled", async () => {
  await hearingAda();
  await pause(700);
  app.adopt("Ada", { ...LIVE, muted: true });
  app.adopt("Ada", { ...LIVE, duration_s: 61 });
  await pause(700);
  app.adopt("Ada", { ...LIVE, recording: { id: null, failed: null } });
  await pause(700);
  app.adopt("Ada", { ...LIVE, recording: { id: null, failed: null }, denoise: { ...denoise, enabled: false, state: "off" } });
  await pause(700);
  assert.deepEqual(app.said, ["You hear Ada, cleaned. This is recorded.", "This is not recorded.", "Ada has turned cleaning off. You hear Ada raw."]);
});

test("a chord waits for its sound, and goes with its broadcast", async () => {
  await hearingAda();
  mock.timers.enable({ apis: ["setTimeout"] });
  app.listener.listening = { ...app.listener.listening, play_ms: 30, network_ms: 10 };
  app.store.set({ listening: app.listener.listening });
  app.broadcastSockets.tell("cue", { at_s: 61, kind: "chord", text: "Am" });
  app.broadcastSockets.tell("cue", { at_s: 61, kind: "practice", text: "started" });
  mock.timers.tick(69);
  assert.equal(app.state.cues.Ada, undefined);
  mock.timers.tick(1);
  assert.deepEqual(app.state.cues.Ada, { chord: "Am", practising: true, at_s: 61 });
  app.adopt("Ada", ENDED);
  assert.equal(app.state.cues.Ada, undefined);
});

test("volume and variant are a friend's own, and are there at the next time", async () => {
  await hearingAda();
  app.listening.setVolume("Ada", 170);
  app.listening.setVolume("Ben", 20);
  assert.deepEqual([app.state.listening.volume, app.listener.loudspeaker.volume, app.listening.volumeOf("Ben")], [1.7, 1.7, 0.2]);
  app.listening.setVolume("Ada", 999);
  await app.listening.setVariant("Ada", "original");
  app.listening.stop();
  await app.listening.start("Ada");
  assert.deepEqual([app.state.listening.volume, app.state.listening.variant, app.state.listening.held], [2, "original", false]);
  await app.listening.start("Ben");
  assert.deepEqual([app.state.listening.volume, app.state.listening.variant], [0.2, "auto"]);
});
