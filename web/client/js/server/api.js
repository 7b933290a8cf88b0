/** Requests to the server: each returns its answer or throws Problem. Never touches the DOM. */

/** @typedef {import("../state/types.js").Trouble} Trouble */

/** Events: `expired` (the server has answered that nobody is signed in), `build` (detail: the server's build, at each answer that names it). */
export const apiEvents = new EventTarget();

/** An error of the server (RFC 9457), or of the connection to it (`status` 0, `code` "offline"). */
export class Problem extends Error {
  /** @param {number} status @param {string} code @param {string} detail @param {Record<string, string>} [errors] @param {number | null} [retryAfterS] */
  constructor(status, code, detail, errors = {}, retryAfterS = null) {
    super(detail || code);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.errors = errors;
    this.retryAfterS = retryAfterS;
    /** @type {number | undefined} the media port, if it could not be reached */
    this.port = undefined;
  }

  /** @returns {Trouble} */
  trouble() {
    return { code: this.code, detail: this.detail, ...(this.port === undefined ? {} : { port: this.port }) };
  }
}

/** @param {unknown} error @returns {Problem} */
export function asProblem(error) {
  if (error instanceof Problem) return error;
  return new Problem(0, "failed", error instanceof Error ? error.message : String(error));
}

/**
 * One request. Throws Problem for every status but 2xx. withinMs limits its time: without it a request on a dead connection may wait
 * for minutes.
 * @param {string} url @param {RequestInit} [options] @param {number} [withinMs] @returns {Promise<Response>}
 */
export async function request(url, options = {}, withinMs = undefined) {
  /** @type {Response} */
  let response;
  try {
    const signal = withinMs === undefined ? undefined : AbortSignal.timeout?.(withinMs); // Safari before 16 has no AbortSignal.timeout
    response = await fetch(url, { credentials: "same-origin", ...(signal ? { signal } : {}), ...options });
  } catch {
    throw new Problem(0, "offline", "The server does not answer.");
  }
  const build = response.headers.get("Hushcast-Build");
  if (build) apiEvents.dispatchEvent(new CustomEvent("build", { detail: build }));
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.code === "not_signed_in" && url !== "/api/logout") apiEvents.dispatchEvent(new Event("expired"));
  throw problem;
}

/** @param {Response} response */
async function problemOf(response) {
  const retry = Number(response.headers.get("Retry-After"));
  /** @type {{code?: string, detail?: string, errors?: Record<string, string>}} */
  let body = {};
  try {
    body = await response.json();
  } catch {
    // not JSON, so from a proxy: the status alone is known
  }
  return new Problem(response.status, body.code ?? `http_${response.status}`, body.detail ?? "", body.errors ?? {}, retry || null);
}

/**
 * Send JSON and return JSON, or null if the answer is empty.
 * @param {string} method @param {string} url @param {unknown} [body] @param {number} [withinMs] as in request @returns {Promise<any>}
 */
export async function call(method, url, body, withinMs) {
  /** @type {RequestInit} */
  const options = { method };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const response = await request(url, options, withinMs);
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

const encoded = encodeURIComponent;
const POLL_WITHIN_MS = 10_000;
/** The server answers for no more at once. */
export const MOST_STATUSES = 100;

/** @template T @typedef {{value: T, tag: string | null}} Tagged   an answer and its ETag */

/** Ask for something that is asked for again and again; null if it is still what this ETag names. @param {string} url @param {string | null} tag @returns {Promise<any>} */
async function unlessKnown(url, tag) {
  try {
    const response = await request(url, { cache: "no-store", ...(tag ? { headers: { "If-None-Match": tag } } : {}) }, POLL_WITHIN_MS);
    return { value: await response.json(), tag: response.headers.get("ETag") };
  } catch (error) {
    if (error instanceof Problem && error.status === 304) return null;
    throw error;
  }
}

/** Every request of the page. Shapes are in types.js. */
export const api = {
  me: () => call("GET", "/api/me"),
  /** @param {string} username @param {string} password @param {string | null} invite @param {string | null} claim */
  register: (username, password, invite, claim) =>
    call("POST", "/api/register", { username, password, ...(invite ? { invite } : {}), ...(claim ? { claim } : {}) }),
  /** Throws Problem if the claim link is not valid. @param {string} claim */
  isClaim: (claim) => request("/api/claim", { headers: { Authorization: `Bearer ${claim}` } }),
  /** @param {string} claim */
  claim: (claim) => call("POST", "/api/claim", { claim }),
  /** @param {string} username @param {string} password */
  login: (username, password) => call("POST", "/api/login", { username, password }),
  logout: () => call("POST", "/api/logout"),
  /** @param {string} old @param {string} fresh @param {boolean} revoke also revoke tokens, listen links, invites and recovery codes */
  password: (old, fresh, revoke) => call("POST", "/api/me/password", { old, new: fresh, revoke }),
  /** @returns {Promise<{value: Record<string, unknown>, tag: string}>} */
  preferences: async () => {
    const response = await request("/api/me/preferences");
    return { value: await response.json(), tag: response.headers.get("ETag") ?? "*" };
  },
  /** Replace the preferences if the server still has those of this ETag; gives the new one. @param {Record<string, unknown>} value @param {string} tag */
  savePreferences: async (value, tag) => {
    const headers = { "Content-Type": "application/json", "If-Match": tag };
    return (await request("/api/me/preferences", { method: "PUT", headers, body: JSON.stringify(value), keepalive: true })).headers.get("ETag") ?? "*";
  },
  sessions: () => call("GET", "/api/me/sessions"),
  /** @param {string | number} id */
  endSession: (id) => call("DELETE", `/api/me/sessions/${encoded(id)}`),
  /** @param {string} password */
  deleteAccount: (password) => call("DELETE", "/api/me", { password }),
  /** @param {string} password @param {string} next who owns the server then */
  deleteOwner: (password, next) => call("DELETE", "/api/me", { password, next_owner: next }),
  /** Whose password this reset link sets. @param {string} token @returns {Promise<{username: string}>} */
  resetOf: async (token) => (await request("/api/reset", { headers: { Authorization: `Bearer ${token}` } })).json(),
  /** @param {string} token @param {string} password @returns {Promise<{username: string}>} whose password that is */
  reset: (token, password) => call("POST", "/api/reset", { token, password }),
  /** @param {string} username @param {string} code @param {string} password */
  recover: (username, code, password) => call("POST", "/api/recover", { username, code, password }),
  /** @returns {Promise<{left: number}>} */
  codesLeft: () => call("GET", "/api/me/recovery-codes"),
  /** @param {string} password @returns {Promise<{codes: string[]}>} */
  makeCodes: (password) => call("POST", "/api/me/recovery-codes", { password }),
  /** @param {string} text @param {number} limit @param {number} [before] */
  adminUsers: (text, limit, before) => call("GET", `/api/admin/users?q=${encoded(text)}&limit=${limit}${before ? `&before=${before}` : ""}`),
  /** @param {string} username @returns {Promise<{url: string}>} */
  adminReset: (username) => call("POST", `/api/admin/users/${encoded(username)}/reset`),
  /** @param {string} username @param {boolean} suspended */
  adminSuspend: (username, suspended) => call("PUT", `/api/admin/users/${encoded(username)}/suspended`, { suspended }),
  /** @param {string} username */
  adminLogout: (username) => call("POST", `/api/admin/users/${encoded(username)}/logout`),
  /** @param {string} username */
  adminRemove: (username) => call("DELETE", `/api/admin/users/${encoded(username)}`),
  /** @param {string} username */
  adminOwner: (username) => call("POST", "/api/admin/owner", { username }),
  adminLive: () => call("GET", "/api/admin/live"),
  adminInvites: () => call("GET", "/api/admin/invites"),
  adminAudit: () => call("GET", "/api/admin/audit?limit=50"),
  adminSystem: () => call("GET", "/api/admin/system"),
  tokens: () => call("GET", "/api/tokens"),
  /** @param {string} name @param {string[]} scopes */
  makeToken: (name, scopes) => call("POST", "/api/tokens", { name, scopes }),
  /** @param {number} id */
  dropToken: (id) => call("DELETE", `/api/tokens/${id}`),
  invite: () => call("POST", "/api/invites", {}),
  invites: () => call("GET", "/api/invites"),
  /** @param {number} id */
  dropInvite: (id) => call("DELETE", `/api/invites/${id}`),
  /** Who has made the invite. @param {string} code @returns {Promise<{username: string}>} */
  inviter: async (code) => (await request("/api/invite", { headers: { Authorization: `Bearer ${code}` } })).json(),
  /** Become a friend of who has made it. @param {string} code @returns {Promise<{username: string}>} */
  acceptInvite: (code) => call("POST", "/api/invite", { invite: code }),
  listenLinks: () => call("GET", "/api/listen-links"),
  makeListenLink: () => call("POST", "/api/listen-links", {}),
  /** @param {number | string} id */
  dropListenLink: (id) => call("DELETE", `/api/listen-links/${encoded(id)}`),
  /** @param {string} text */
  search: (text) => call("GET", `/api/search?q=${encoded(text)}`),
  friends: () => call("GET", "/api/friends"),
  /** The same, or null if it is still what this ETag names. @param {string | null} tag @returns {Promise<Tagged<import("../state/types.js").Friend[]> | null>} */
  friendsUnless: (tag) => unlessKnown("/api/friends", tag),
  /** @param {string} username */
  unfriend: (username) => call("DELETE", `/api/friends/${encoded(username)}`),
  /** @param {string} username */
  requestFriend: (username) => call("POST", "/api/friend-request/send", { username }),
  /** @param {number} id @param {"accept" | "reject"} action */
  respond: (id, action) => call("POST", `/api/friend-request/${id}/respond`, { action }),
  /** @param {number} id */
  withdraw: (id) => call("DELETE", `/api/friend-request/${id}`),
  requests: () => call("GET", "/api/friend-requests/pending"),
  /** @returns {Promise<string[]>} */
  blocks: () => call("GET", "/api/blocks"),
  /** @param {string} username */
  block: (username) => call("PUT", `/api/blocks/${encoded(username)}`),
  /** @param {string} username */
  unblock: (username) => call("DELETE", `/api/blocks/${encoded(username)}`),
  denoisers: () => call("GET", "/api/denoisers"),
  /** @param {string} username @param {number} [withinMs] */
  status: (username, withinMs) => call("GET", `/api/stream/status/${encoded(username)}`, undefined, withinMs),
  /** The statuses of those of at most MOST_STATUSES who are friends, and one's own; null if nothing but figures has changed. @param {readonly string[]} usernames @param {string | null} tag @returns {Promise<Tagged<import("../state/types.js").Status[]> | null>} */
  statuses: (usernames, tag) => unlessKnown(`/api/statuses?users=${usernames.map(encoded).join(",")}`, tag),
  /** The status of the broadcast that a listen link opens. @param {string} username @param {string} token */
  linkStatus: async (username, token) => (await request(`/api/stream/status/${encoded(username)}`, { headers: { Authorization: `Bearer ${token}` } }, POLL_WITHIN_MS)).json(),
  /** @param {{enabled?: boolean, strength_db?: number | null, denoiser?: string}} wish */
  denoise: (wish) => call("POST", "/api/stream/denoise", wish),
  /** @param {boolean} muted @param {number} [withinMs] */
  mute: (muted, withinMs) => call("POST", "/api/stream/mute", { muted }, withinMs),
  /** @param {boolean} on */
  record: (on) => call("POST", "/api/stream/recording", { on }),
  /** Where to send one's own voice and hear it back. @returns {Promise<{whip: string, whep: string}>} */
  hearYourself: () => call("POST", "/api/hear-yourself"),
  /** The status of that private broadcast. @returns {Promise<import("../state/types.js").Status>} */
  yourself: () => call("GET", "/api/hear-yourself"),
  stop: () => call("POST", "/api/stream/stop", {}),
  park: () => navigator.sendBeacon("/api/stream/park"),
  /** @param {string | null} username null: the user's own @param {number} [before] the id of the last one that is known */
  recordings: (username, before) => call("GET", `/api/recordings${username === null ? "" : `/${encoded(username)}`}${before ? `?before=${before}` : ""}`),
  /** @param {number} id @param {string} variant @param {number} points */
  peaks: (id, variant, points) => call("GET", `/api/recording/${id}/peaks?variant=${variant}&points=${points}`),
  /** @param {number} id @param {string} title */
  rename: (id, title) => call("PATCH", `/api/recording/${id}`, { title }),
  /** @param {number} id */
  deleteRecording: (id) => call("DELETE", `/api/recording/${id}`),
  storage: () => call("GET", "/api/storage"),
  /** @param {"practice" | "remote"} kind */
  companion: (kind) => call("POST", "/api/companions", { kind }),
  /** @param {string} id */
  endCompanion: (id) => call("DELETE", `/api/companions/${encoded(id)}`),
  /** @param {string} id @param {string} code */
  join: (id, code) => call("POST", `/api/companions/${encoded(id)}/join`, { code }),
};

/** @param {number} id @param {string} variant @param {string} format @param {boolean} [download] */
export function audioUrl(id, variant, format, download = false) {
  return `/api/recording/${id}/audio?variant=${variant}&format=${format}${download ? "&download=1" : ""}`;
}
