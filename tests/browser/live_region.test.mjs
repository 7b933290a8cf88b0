/** What is announced reaches the live region: all of it, in order, each once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LiveRegion } from "../../web/client/js/page/live_region.js";

test("changes that come together are said one after the other", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const said = [];
  let now = "";
  const element = { get textContent() { return now; }, set textContent(text) { now = text; if (text) said.push(text); } };
  const region = new LiveRegion(element);
  for (const text of ["Ada is streaming.", "You hear Ada.", "You hear Ada.", "", "Ada is muted."]) region.say(text);
  context.mock.timers.tick(60);
  assert.deepEqual(said, ["Ada is streaming."], "the first at once");
  for (let turn = 0; turn < 40; turn += 1) context.mock.timers.tick(50);
  assert.deepEqual(said, ["Ada is streaming.", "You hear Ada.", "Ada is muted."]);
  region.say("Ada is muted.");
  for (let turn = 0; turn < 40; turn += 1) context.mock.timers.tick(50);
  assert.equal(said.length, 4, "a text that is said again is a change");
  for (let number = 0; number < 30; number += 1) region.say(String(number));
  for (let turn = 0; turn < 400; turn += 1) context.mock.timers.tick(50);
  assert.deepEqual(said.slice(5), ["22", "23", "24", "25", "26", "27", "28", "29"], "after a flood the newest");
});
