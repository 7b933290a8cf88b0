/** What the server hears of muting, and what the page does where it hears nothing. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { asked, forget, serve } from "./fakes.mjs";

const { MuteNews } = await import("../../web/client/js/rtc/mute_news.js");

/** @type {boolean | null} */
let muted;
/** @type {string[]} */
let refused;
/** @type {InstanceType<typeof MuteNews>} */
let news;
const GOOD = /** @type {const} */ ([200, ""]);

beforeEach(() => {
  forget();
  [muted, refused] = [false, []];
  news = new MuteNews(() => muted, (problem) => void refused.push(problem.code));
});

afterEach(() => news.forget());

test("an unmute that somebody has pressed and that fails leaves the microphone muted", async () => {
  serve([502, "bad_gateway"]);
  await news.tell("pressed");
  assert.deepEqual([refused, news.unsent, asked().length], [["bad_gateway"], null, 1]);
});

test("where a server leaves and another one does not answer yet nobody is muted, and it is told again", async () => {
  serve("unreachable", GOOD);
  await news.tell("moved");
  assert.deepEqual([refused, news.unsent], [[], "moved"]);
  await news.send();
  assert.deepEqual([refused, news.unsent, asked().length], [[], null, 2]);
});

test("a mute is told until the server has it", async () => {
  muted = true;
  serve("unreachable", [409, "not_live"], GOOD);
  for (let times = 0; times < 3; times += 1) await (times ? news.send() : news.tell("pressed"));
  assert.deepEqual([refused, news.unsent, asked().length], [[], null, 3]);
});

test("what is pressed while a request is on its way is told after it", async () => {
  serve(GOOD);
  const first = news.tell("moved");
  muted = true;
  await news.tell("pressed");
  await first;
  assert.deepEqual([asked().length, news.unsent], [2, null]);
});

test("what is pressed while a request is on its way that fails is told by itself soon", async () => {
  serve("unreachable", GOOD);
  const first = news.tell("moved");
  await news.tell("pressed");
  await first;
  assert.deepEqual([refused, news.unsent, asked().length], [[], "pressed", 1]);
  for (let tries = 0; news.unsent && tries < 200; tries += 1) await pause(20);
  assert.deepEqual([refused, news.unsent, asked().length], [[], null, 2]);
});

test("nothing is told after the end of the broadcast", async () => {
  muted = true;
  serve("unreachable");
  await news.tell("pressed");
  news.forget();
  await pause(600);
  assert.equal(asked().length, 1);
});

test("an answer is not waited for longer than others are", async () => {
  const [real, signals] = [globalThis.fetch, /** @type {unknown[]} */ ([])];
  serve(GOOD);
  globalThis.fetch = (url, options) => (signals.push(options?.signal), real(url, options));
  await news.tell("pressed");
  globalThis.fetch = real;
  assert.ok(signals.length === 1 && signals[0] instanceof AbortSignal);
});

test("whoever is not on air any more is told nothing of it", async () => {
  serve("unreachable");
  const telling = news.tell("pressed");
  muted = null;
  await telling;
  await news.tell("pressed");
  assert.deepEqual([refused, asked().length], [[], 1]);
});

test("what the server refuses is not asked again by itself", async () => {
  muted = true;
  serve([403, "not_allowed"]);
  await news.tell("pressed");
  await pause(700);
  assert.deepEqual([asked().length, news.unsent], [1, "pressed"]);
});
