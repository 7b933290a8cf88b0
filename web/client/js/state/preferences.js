/** What the page remembers for an account, on all its devices (/api/me/preferences), and for this browser alone. */

import { api, asProblem } from "../server/api.js";

/** @typedef {Record<string, unknown>} Entry */
/** @typedef {{key: string, name: string | undefined, value: unknown}} Change   value undefined: forget it */

/** The server refuses more. */
const MOST_BYTES = 8192;
const SAVE_AFTER_MS = 800;
const RETRY_AFTER_MS = 5000;
const MOST_TRIES = 5;
const PREFIX = "preference-";

/** @param {readonly unknown[]} values */
const oneOf = (...values) => (/** @type {unknown} */ value) => values.includes(value);
/** @param {number} low @param {number} high */
const within = (low, high) => (/** @type {unknown} */ value) => typeof value === "number" && value >= low && value <= high;
/** @param {number} most */
const textUpTo = (most) => (/** @type {unknown} */ value) => typeof value === "string" && value.length <= most;

/** The keys and what each may hold: other clients and versions write the same object, and a wrong value counts as none. @type {Record<string, (value: any) => boolean>} */
const CHECKS = {
  profile: oneOf("voice", "music", "asis"),
  echo: oneOf(true, false),
  strength_db: (value) => value === null || within(0, 100)(value), // null: no limit
  denoiser: textUpTo(64), // "": the server's choice
  theme: oneOf("light", "dark", "system"),
  keys: oneOf(true, false),
  volume: within(0, 2), // of a friend, 1 as sent
  variant: oneOf("auto", "original"), // of a friend
  microphone: textUpTo(512),
  speaker: textUpTo(512),
};
/** Ids of devices mean nothing on another device. */
const LOCAL = new Set(["microphone", "speaker"]);
/** Kept in this browser too, because they are needed before the server has answered. */
const CACHED = new Set(["theme", "keys"]);

/** @param {string} key @param {unknown} value */
function checked(key, value) {
  return CHECKS[key]?.(value) ? value : undefined;
}

/** The value that this browser keeps. @param {string} key @returns {any} */
function localValue(key) {
  try {
    return checked(key, JSON.parse(localStorage.getItem(PREFIX + key) ?? "null"));
  } catch {
    return undefined; // written by something else
  }
}

/** @param {string} key @param {unknown} value */
function storeLocally(key, value) {
  try {
    if (value === undefined) localStorage.removeItem(PREFIX + key);
    else localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // no room, or not allowed: it is forgotten with the page
  }
}

/** The friends' entries of a stored object, least recently used first. @param {Entry} stored @returns {Map<string, Entry>} */
function friendsIn(stored) {
  const rows = Array.isArray(stored["friends"]) ? stored["friends"] : [];
  return new Map(rows.filter((row) => Array.isArray(row) && typeof row[0] === "string" && row[1] && typeof row[1] === "object"));
}

/** The object with the changes made in it, in their order. Pure. @param {Entry} stored @param {readonly Change[]} changes @returns {Entry} */
export function merged(stored, changes) {
  const all = { ...stored };
  const friends = friendsIn(stored);
  for (const { key, name, value } of changes) {
    const before = name === undefined ? all : friends.get(name) ?? {};
    const { [key]: _, ...others } = before;
    const after = value === undefined ? others : { ...others, [key]: value };
    if (name === undefined) {
      if (value === undefined) delete all[key];
      else all[key] = value;
    } else {
      friends.delete(name); // the most recently used one is the last
      if (Object.keys(after).length) friends.set(name, after);
    }
  }
  if (friends.size) all["friends"] = [...friends];
  else delete all["friends"];
  return bounded(all);
}

/** Drop the friends who were not used for longest until the object has at most `most` bytes as JSON. Pure. @param {Entry} all @param {number} [most] @returns {Entry} */
export function bounded(all, most = MOST_BYTES) {
  const friends = Array.isArray(all["friends"]) ? [...all["friends"]] : [];
  let fitting = all;
  while (friends.length && new TextEncoder().encode(JSON.stringify(fitting)).length > most) {
    friends.shift();
    fitting = { ...all, friends };
  }
  return fitting;
}

/** Events: `change` (something was set here, or came from the server). */
export class Preferences extends EventTarget {
  constructor() {
    super();
    /** @type {Entry} what the server has, as far as this page knows */
    this.stored = {};
    /** @type {string | null} null while nothing was loaded */
    this.tag = null;
    /** @type {Change[]} what the server does not have yet, oldest first */
    this.changes = [];
    /** @type {object | null} another one after each sign-in: answers to an earlier one are left alone */
    this.session = null;
    this.saving = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** Whether the account's preferences have come from the server. */
  get loaded() {
    return this.tag !== null;
  }

  /** The value, or undefined where none was set. `name`: of the friend whom it is for. @param {string} key @param {string} [name] @returns {any} */
  get(key, name) {
    const change = this.changes.findLast((each) => each.key === key && each.name === name);
    if (change) return change.value;
    if (LOCAL.has(key) || (CACHED.has(key) && !this.loaded)) return localValue(key);
    return checked(key, (name === undefined ? this.stored : friendsIn(this.stored).get(name) ?? {})[key]);
  }

  /** Remember a value; undefined forgets it. Throws RangeError for a key or value that there is not. @param {string} key @param {unknown} value @param {string} [name] */
  set(key, value, name) {
    if (value !== undefined && checked(key, value) === undefined) throw new RangeError(`no such preference: ${key} ${String(value)}`);
    const isNew = !this.loaded || this.get(key, name) !== value;
    if (LOCAL.has(key) || CACHED.has(key)) storeLocally(key, value);
    if (!LOCAL.has(key) && isNew) {
      this.changes = [...this.changes.filter((each) => each.key !== key || each.name !== name), { key, name, value }];
      this.#saveIn(SAVE_AFTER_MS);
    }
    this.dispatchEvent(new Event("change"));
  }

  /** Load what the account has. Call it after signing in. */
  async open() {
    this.close();
    this.session = {};
    await this.reload();
  }

  /** Forget all that belongs to the account. */
  close() {
    clearTimeout(this.timer);
    Object.assign(this, { session: null, stored: {}, tag: null, changes: [], saving: false });
    this.dispatchEvent(new Event("change"));
  }

  /** Read them again: another tab or device may have changed them. What was changed here and is not saved yet stays. */
  async reload() {
    const { session, tag: before } = this;
    if (!session) return;
    try {
      const { value, tag } = await api.preferences();
      if (this.session !== session || this.tag !== before) return; // signed out, or saved meanwhile
      Object.assign(this, { stored: value, tag });
      for (const key of CACHED) storeLocally(key, this.get(key));
      this.dispatchEvent(new Event("change"));
      if (!before && this.changes.length) this.#saveIn(SAVE_AFTER_MS);
    } catch {
      if (this.session === session && !this.loaded) this.timer = setTimeout(() => void this.reload(), RETRY_AFTER_MS);
    }
  }

  /** Save now what is not saved yet, also while the page is being left. */
  async flush() {
    clearTimeout(this.timer);
    if (this.changes.length) await this.#save();
  }

  /** @param {number} delayMs */
  #saveIn(delayMs) {
    if (!this.session || !this.loaded) return; // reload() sees to it
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.#save(), delayMs);
  }

  async #save() {
    const { session } = this;
    if (this.saving || !session || !this.loaded) return; // the save that runs sees to later changes
    this.saving = true;
    const status = await this.#sent(session);
    if (this.session !== session) return;
    this.saving = false;
    if (status === 200 && this.changes.length) this.#saveIn(SAVE_AFTER_MS);
    else if (status === 0 || status === 412 || status >= 429) this.#saveIn(RETRY_AFTER_MS); // others are refused for good
  }

  /** Send all changes, merged into what the server has; where another tab was quicker, once more with its changes. The status of the answer. @param {object} session @returns {Promise<number>} */
  async #sent(session) {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const sent = this.changes;
      const value = merged(this.stored, sent);
      try {
        const tag = await api.savePreferences(value, this.tag ?? "");
        if (this.session === session) Object.assign(this, { stored: value, tag, changes: this.changes.filter((change) => !sent.includes(change)) });
        return 200;
      } catch (error) {
        const { status } = asProblem(error);
        if (status !== 412 || this.session !== session) return status;
        await this.reload();
      }
    }
    return 412;
  }
}
