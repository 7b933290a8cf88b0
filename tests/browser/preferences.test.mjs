/** What the account remembers: two tabs, a server that is away, and more friends than there is room. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { bounded, merged, Preferences } from "../../web/client/js/state/preferences.js";

/** A server with one object and its ETag, and a browser's storage. */
let server, kept;
beforeEach(() => {
  server = { value: {}, tag: 1, puts: 0, down: false };
  kept = new Map();
  globalThis.localStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
  globalThis.fetch = async (_, options = {}) => {
    if (server.down) throw new TypeError("away");
    if (options.method !== "PUT") return new Response(JSON.stringify(server.value), { headers: { ETag: `"${server.tag}"` } });
    server.puts += 1;
    if (options.headers["If-Match"] !== `"${server.tag}"`) return new Response(JSON.stringify({ code: "precondition_failed" }), { status: 412 });
    server.value = JSON.parse(options.body);
    server.tag += 1;
    return new Response(options.body, { headers: { ETag: `"${server.tag}"` } });
  };
});

const opened = async () => {
  const preferences = new Preferences();
  await preferences.open();
  return preferences;
};

test("what is set is there at once, on the server later, and after the next sign-in", async () => {
  const one = await opened();
  one.set("profile", "music");
  one.set("volume", 1.5, "Ada");
  one.set("strength_db", null);
  assert.deepEqual([one.get("profile"), one.get("volume", "Ada"), one.get("strength_db"), one.get("volume", "Ben")], ["music", 1.5, null, undefined]);
  await one.flush();
  assert.deepEqual([server.value, server.puts], [{ profile: "music", strength_db: null, friends: [["Ada", { volume: 1.5 }]] }, 1]);
  const other = await opened();
  assert.deepEqual([other.get("profile"), other.get("volume", "Ada"), other.get("strength_db")], ["music", 1.5, null]);
});

test("two tabs keep each other's keys, and the last change of one key wins", async () => {
  const [one, other] = [await opened(), await opened()];
  one.set("echo", true);
  one.set("variant", "original", "Ada");
  await one.flush();
  other.set("denoiser", "rnnoise");
  other.set("volume", 2, "Ada");
  other.set("echo", false);
  await other.flush();
  assert.deepEqual(server.value, { echo: false, denoiser: "rnnoise", friends: [["Ada", { variant: "original", volume: 2 }]] });
  await one.reload();
  assert.deepEqual([one.get("echo"), one.get("variant", "Ada")], [false, "original"]);
});

test("what was set while the server was away is sent when it is back", async () => {
  server.down = true;
  const one = await opened();
  one.set("theme", "dark");
  assert.deepEqual([one.get("theme"), one.loaded], ["dark", false]);
  server.down = false;
  await one.reload();
  assert.equal(one.get("theme"), "dark");
  await one.flush();
  assert.deepEqual(server.value, { theme: "dark" });
  one.close();
});

test("theme and keys are known before the server has answered, devices to this browser only", async () => {
  const one = await opened();
  one.set("theme", "dark");
  one.set("speaker", "abc");
  await one.flush();
  one.close();
  assert.deepEqual([one.get("theme"), one.get("speaker"), server.value], ["dark", "abc", { theme: "dark" }]);
  server.value = {}; // another account, which has no theme
  server.tag += 1;
  await one.open();
  assert.equal(one.get("theme"), undefined);
  assert.equal(one.get("speaker"), "abc");
});

test("a wrong value is refused here and counts as none from elsewhere; unknown keys stay", async () => {
  server.value = { profile: 7, volume: 9, friends: [["Ada", { volume: "loud" }], "x", [1, {}]], later: { a: 1 } };
  const one = await opened();
  assert.deepEqual([one.get("profile"), one.get("volume", "Ada")], [undefined, undefined]);
  assert.throws(() => one.set("profile", "choir"), RangeError);
  assert.throws(() => one.set("nothing", 1), RangeError);
  one.set("profile", "voice");
  await one.flush();
  assert.deepEqual([server.value.profile, server.value.later], ["voice", { a: 1 }]);
});

test("the friends who were not used for longest go first where there is no more room", () => {
  let all = { theme: "dark" };
  for (let index = 0; index < 500; index += 1) all = merged(all, [{ key: "volume", name: `friend${index}`, value: 1.25 }]);
  const names = all.friends.map(([name]) => name);
  assert.ok(JSON.stringify(all).length <= 8192 && names.length > 100, String(names.length));
  assert.deepEqual([all.theme, names.at(-1), names.includes("friend0")], ["dark", "friend499", false]);
  all = merged(all, [{ key: "variant", name: names[0], value: "original" }]);
  assert.deepEqual(all.friends.at(-1), [names[0], { volume: 1.25, variant: "original" }]);
  assert.deepEqual(bounded({ theme: "x".repeat(40) }, 8), { theme: "x".repeat(40) });
});

test("undefined forgets a key, and a friend without keys", () => {
  assert.deepEqual(merged({ echo: true, friends: [["Ada", { volume: 2 }]] }, [{ key: "volume", name: "Ada", value: undefined }, { key: "echo", name: undefined, value: undefined }]), {});
});
