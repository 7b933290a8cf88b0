/** Friends, titles, and what is asked where no socket tells it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { changed, gained } from "../../web/client/js/state/friends.js";
import { statusNow } from "../../web/client/js/state/hearing_now.js";
import { Polling } from "../../web/client/js/state/polling.js";
import { signInPath } from "../../web/client/js/state/route.js";
import { ownText } from "../../web/client/js/views/home.js";
import { fieldText, troubleText } from "../../web/client/js/words/errors.js";
import { home, people } from "../../web/client/js/words/people.js";

const idle = { username: "Ada", live: false, broadcast: null }, live = { username: "Ada", live: true, broadcast: "b1" };

/** Sockets that tell nothing of those in `untold`. */
class FakeSockets extends EventTarget {
  watched = new Map();
  told = [];
  refused = [];
  constructor(untold) {
    super();
    this.who = untold;
  }
  get untold() { return this.who(); }
  report(type, name, value) { this.told.push([type, name, value?.broadcast ?? null]); }
  refuse(name) { this.refused.push(name); }
}

/** Polling over a server that answers with these statuses in turn; null is 304, a number that status. */
function polling(answers, untold = () => [{ name: "Ada", token: undefined }]) {
  const asked = [], sockets = new FakeSockets(untold);
  globalThis.fetch = async (url, { headers = {} }) => {
    asked.push([url, headers["If-None-Match"] ?? headers.Authorization ?? ""]);
    const answer = answers.shift();
    if (answer === null) return new Response(null, { status: 304 });
    if (typeof answer === "number") return new Response("{}", { status: answer });
    return new Response(JSON.stringify(answer), { headers: { ETag: `W/"${asked.length}"` } });
  };
  return { poll: new Polling({ poll: async () => undefined }, sockets), told: sockets.told, asked, sockets };
}

test("what no socket tells is asked for in one request, and again only if it has changed", async () => {
  const { poll, told, asked } = polling([[live], null, [idle], [idle]]);
  for (let index = 0; index < 4; index += 1) await poll.ask();
  assert.deepEqual(told, [["state", "Ada", "b1"], ["state", "Ada", null], ["ended", "Ada", null], ["state", "Ada", null]], "the end is told once");
  assert.deepEqual(asked, [["/api/statuses?users=Ada", ""], ["/api/statuses?users=Ada", 'W/"1"'], ["/api/statuses?users=Ada", 'W/"1"'], ["/api/statuses?users=Ada", 'W/"3"']]);
});

test("with other names all is asked for anew, without names nothing", async () => {
  let names = ["Ben", "Ada"];
  const { poll, asked } = polling([[live], [live], [live]], () => names.map((name) => ({ name, token: undefined })));
  await poll.ask();
  names = ["Ada"];
  await poll.ask();
  names = [];
  await poll.ask();
  assert.deepEqual(asked, [["/api/statuses?users=Ada,Ben", ""], ["/api/statuses?users=Ada", ""]]);
});

test("what a view shows is asked for with the rest, at once when it is new, and never for more than there was a socket for", async () => {
  const ben = { username: "Ben", live: true, broadcast: "b2" };
  const { poll, told, asked, sockets } = polling([[live, ben], null, [ben]]);
  poll.follow(["Ben"]);
  await poll.ask();
  poll.follow(["Ben"]);
  assert.deepEqual(asked, [["/api/statuses?users=Ada,Ben", ""], ["/api/statuses?users=Ada,Ben", 'W/"1"']]);
  assert.deepEqual(told, [["state", "Ada", "b1"], ["state", "Ben", "b2"]]);
  sockets.who = () => [];
  sockets.watched.set("Ben", {});
  await poll.ask();
  assert.equal(asked.length, 2, "its socket tells it");
  sockets.watched.delete("Ben");
  sockets.dispatchEvent(new Event("left"));
  await poll.ask();
  assert.deepEqual(asked[2], ["/api/statuses?users=Ben", ""], "what was told before is forgotten");
});

test("what a view shows no more is not in force, unless the next one shows it or a socket tells it", async () => {
  const others = ["Ben", "Cem"].map((username) => ({ username, live: true, broadcast: "b2" }));
  const { poll, told, sockets } = polling([[live, ...others], null], () => []);
  poll.follow(["Ada", "Ben", "Cem"]);
  await poll.ask();
  assert.deepEqual(told.map(([type, name]) => `${type} ${name}`), ["state Ada", "state Ben", "state Cem"]);
  poll.follow([]);
  poll.follow(["Cem"]);
  sockets.watched.set("Ada", {});
  await pause(20);
  assert.deepEqual(told.slice(3), [["left", "Ben", null]]);
});

test("a socket that is lost again is followed by an answer, not by 304", async () => {
  const { poll, asked, sockets } = polling([[live], [live]]);
  await poll.ask();
  sockets.dispatchEvent(new Event("lost"));
  await poll.ask();
  assert.deepEqual(asked.map(([, tag]) => tag), ["", ""]);
});

test("the bearer of a listen link asks for that broadcast alone", async () => {
  const { poll, told, asked } = polling([live], () => [{ name: "Ada", token: "t" }]);
  await poll.ask();
  assert.deepEqual([told, asked], [[["state", "Ada", "b1"]], [["/api/stream/status/Ada", "Bearer t"]]]);
});

test("who is no friend any more and a link that has ended are refused, a server that is away refuses nobody", async () => {
  const friends = polling([[idle]], () => [{ name: "Ada", token: undefined }, { name: "Ben", token: undefined }]);
  await friends.poll.ask();
  assert.deepEqual(friends.sockets.refused, ["Ben"]);
  const link = polling([503, 401], () => [{ name: "Ada", token: "t" }]);
  await link.poll.ask();
  assert.deepEqual(link.sockets.refused, []);
  await link.poll.ask();
  assert.deepEqual(link.sockets.refused, ["Ada"]);
});

test("an answer that comes after the socket is back is left alone", async () => {
  let isBack = false;
  const { poll, told } = polling([[live]], () => (isBack ? [] : [{ name: "Ada", token: undefined }]));
  const asked = poll.ask();
  isBack = true;
  await asked;
  assert.deepEqual(told, []);
});

test("a new friend is news, but not one who was accepted here, nor the first list", () => {
  const friend = (username) => ({ username, live: false, since: null });
  const state = (friends, incoming = []) => ({ friends, requests: { incoming: incoming.map((username, id) => ({ id, username })), outgoing: [] } });
  assert.deepEqual(gained(state([friend("Ada")]), [friend("Ada"), friend("Ben")]), ["Ben"]);
  assert.deepEqual(gained(state([friend("Ada")], ["Ben"]), [friend("Ada"), friend("Ben")]), []);
  assert.deepEqual(gained(state(null), [friend("Ada")]), []);
});

test("who went on or off air between two lists is news, who came or left is not", () => {
  const friend = (username, live) => ({ username, live, since: null });
  assert.deepEqual(changed([friend("Ada", false), friend("Ben", true), friend("Cem", true)], [friend("Ada", true), friend("Ben", false), friend("Dora", true)]), [friend("Ada", true), friend("Ben", false)]);
});

test("heading and title name who is on air", () => {
  assert.deepEqual([[], ["Ada"], ["Ada", "Ben"], ["Ada", "Ben", "Cem"], ["Ada", "Ben", "Cem", "Dora"]].map(home.lead),
    ["Nobody is on air", "Ada is on air", "Ada and Ben are on air", "Ada, Ben, and Cem are on air", "4 friends are on air"]);
  assert.deepEqual([people.title("Hushcast", []), people.title("Library", []), people.title("Library", ["Ada"]), people.title("Library", ["Ada", "Ben"])],
    ["Hushcast", "Library – Hushcast", "Ada is live – Library – Hushcast", "2 live – Library – Hushcast"]);
  assert.deepEqual([people.count(0, 0), people.count(2, 0), people.count(0, 1), people.count(2, 1)], ["", "2 live", "1 new", "2 live, 1 new"]);
});

test("the own studio says what goes on in it, as far as it is known", () => {
  const state = (status, more = {}) => ({ me: { username: "Ada" }, online: true, statuses: status ? { Ada: status } : {}, clocks: { Ada: 1 }, lost: {}, listening: {}, ...more });
  const since = new Date(2026, 2, 20, 20, 14).toISOString();
  assert.deepEqual([{ ...idle }, { ...live, since }, { ...live, since, muted: true }, { ...live, state: "parked" }].map((status) => ownText(state(status), status.live ? "live" : "offline")),
    [home.off, "You are on air since 20:14.", home.onMuted, home.parked]);
  assert.equal(ownText(state({ ...live, since }, { online: false }), "live"), home.notTold);
  assert.equal(ownText(state({ ...live, since }), "reconnecting"), home.parked, "it is not said to be on air where the studio says that it is not");
});

test("a status is in force only while the server answers, also where no socket of that broadcast was open", () => {
  const state = { statuses: { Ada: live }, clocks: { Ada: 1 }, lost: {}, listening: {} };
  assert.deepEqual([true, false].map((online) => statusNow({ ...state, online }, "Ada")), [live, undefined]);
});

test("what the server says is a sentence with a capital", () => {
  assert.equal(fieldText("must have 3 to 32 characters"), "This must have 3 to 32 characters.");
  assert.equal(troubleText({ code: "bad_request", detail: "title: must not be blank" }), "Title: must not be blank");
  assert.match(troubleText({ code: "unheard_of", detail: "" }), /^Something went wrong/);
});

test("the sign-in page leads back to where one was", () => {
  const path = (page, url) => signInPath({ page }, new URL(url, "http://here"));
  assert.deepEqual([path("home", "/"), path("friends", "/#friends"), path("search", "/search?q=a")], ["/login", "/login?next=%2F%23friends", "/login?next=%2Fsearch%3Fq%3Da"]);
});
