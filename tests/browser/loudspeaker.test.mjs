/** The loudspeaker with elements that behave as WebKit says of its own: what began muted without a click is paused when it is unmuted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import "./fakes.mjs";

const { Loudspeaker } = await import("../../web/client/js/rtc/loudspeaker.js");

let refuses = false;
/** What is heard whenever an element is played. @type {boolean[]} */
let heardMeanwhile = [];
/** @type {SafarisAudio[]} */
let made = [];

class SafarisAudio {
  sinkId = "";
  async setSinkId(/** @type {string} */ id) {
    this.sinkId = id;
  }
  constructor() {
    Object.assign(this, { paused: true, silent: false, srcObject: null });
    made.push(this);
  }
  get heard() {
    return !this.paused && !this.silent && this.srcObject !== null;
  }
  get muted() {
    return this.silent;
  }
  set muted(silent) {
    if (this.silent && !silent) this.paused = true;
    this.silent = silent;
  }
  async play() {
    heardMeanwhile.push(made.some((each) => each.heard));
    if (refuses && !this.silent) throw new DOMException("a click first", "NotAllowedError");
    this.paused = false;
  }
}
Object.assign(globalThis, { Audio: SafarisAudio, HTMLMediaElement: SafarisAudio });

/** A stream is heard, and another one is played beside it. */
async function twoStreams() {
  [refuses, heardMeanwhile, made] = [false, [], []];
  let asked = 0;
  const loudspeaker = new Loudspeaker();
  loudspeaker.play(/** @type {any} */ ({}), () => (asked += 1));
  const { take } = await loudspeaker.beside(/** @type {any} */ ({}));
  const [before, after] = made.slice(-2);
  return { loudspeaker, before, after, asked: () => asked, take };
}

test("a stream that Safari pauses when it is taken is played again, while the one before is still heard", async () => {
  const { before, after, asked, take } = await twoStreams();
  assert.ok(before.heard && !after.heard);
  take();
  await pause(0);
  assert.ok(after.heard && !before.heard);
  assert.equal(asked(), 0);
  assert.deepEqual(heardMeanwhile, [false, true, true]);
});

test("a click is asked for where Safari refuses that", async () => {
  const { after, asked, take } = await twoStreams();
  refuses = true;
  take();
  await pause(0);
  assert.ok(!after.heard);
  assert.equal(asked(), 1);
});

test("a loudspeaker that is chosen while a stream is played unheard is that stream's too", async () => {
  const { loudspeaker, before, after, take } = await twoStreams();
  await loudspeaker.choose("headphones");
  assert.deepEqual([before.sinkId, after.sinkId], ["headphones", ""]);
  take();
  assert.equal(after.sinkId, "headphones");
});
