/** Requests to the server. Answers or a Problem; nothing here touches the page. */

/** @typedef {import("../state/types.js").Trouble} Trouble */

/** Event `shut`: the server no longer knows who asks, the login has ended. */
export const door = new EventTarget();

/** What the server refused (RFC 9457), or why it could not be asked (`status` 0, `code` "offline"). */
export class Problem extends Error {
  /** @param {number} status @param {string} code @param {string} detail @param {Record<string, string>} [errors] @param {number | null} [retryAfterS] */
  constructor(status, code, detail, errors = {}, retryAfterS = null) {
    super(detail || code);
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.errors = errors;
    this.retryAfterS = retryAfterS;
    /** @type {number | undefined} the media port, where that is what failed */
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
 * One request. Throws Problem for everything but 2xx. withinMs: how long it may take; by itself it may wait for minutes, on a
 * connection whose other end is no longer to be reached.
 * @param {string} url @param {RequestInit} [options] @param {number} [withinMs] @returns {Promise<Response>}
 */
export async function request(url, options = {}, withinMs = undefined) {
  /** @type {Response} */
  let response;
  try {
    const signal = withinMs === undefined ? undefined : AbortSignal.timeout?.(withinMs); // Safari has it from 16 on
    response = await fetch(url, { credentials: "same-origin", ...(signal ? { signal } : {}), ...options });
  } catch {
    throw new Problem(0, "offline", "The server does not answer.");
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.code === "not_signed_in" && url !== "/api/logout") door.dispatchEvent(new Event("shut"));
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
    // a proxy's page, not ours: the status has to do
  }
  return new Problem(response.status, body.code ?? `http_${response.status}`, body.detail ?? "", body.errors ?? {}, retry || null);
}

/**
 * JSON in, JSON (or null) out.
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

const part = encodeURIComponent;

/** Every question the page asks, by name; shapes as in types.js. */
export const api = {
  me: () => call("GET", "/api/me"),
  /** @param {string} username @param {string} password @param {string | null} invite @param {string | null} claim */
  register: (username, password, invite, claim) =>
    call("POST", "/api/register", { username, password, ...(invite ? { invite } : {}), ...(claim ? { claim } : {}) }),
  /** Is the claim link still good? @param {string} claim */
  isClaim: (claim) => request("/api/claim", { headers: { Authorization: `Bearer ${claim}` } }),
  /** @param {string} claim */
  claim: (claim) => call("POST", "/api/claim", { claim }),
  /** @param {string} username @param {string} password */
  login: (username, password) => call("POST", "/api/login", { username, password }),
  logout: () => call("POST", "/api/logout"),
  /** @param {string} old @param {string} fresh @param {boolean} revoke tokens, listen links and invites end too */
  password: (old, fresh, revoke) => call("POST", "/api/me/password", { old, new: fresh, revoke }),
  sessions: () => call("GET", "/api/me/sessions"),
  /** @param {string | number} id */
  endSession: (id) => call("DELETE", `/api/me/sessions/${part(id)}`),
  /** @param {string} password */
  leave: (password) => call("DELETE", "/api/me", { password }),
  tokens: () => call("GET", "/api/tokens"),
  /** @param {string} name @param {string[]} scopes */
  makeToken: (name, scopes) => call("POST", "/api/tokens", { name, scopes }),
  /** @param {number} id */
  dropToken: (id) => call("DELETE", `/api/tokens/${id}`),
  invite: () => call("POST", "/api/invites", {}),
  listenLinks: () => call("GET", "/api/listen-links"),
  makeListenLink: () => call("POST", "/api/listen-links", {}),
  /** @param {number | string} id */
  dropListenLink: (id) => call("DELETE", `/api/listen-links/${part(id)}`),
  /** @param {string} text */
  search: (text) => call("GET", `/api/search?q=${part(text)}`),
  friends: () => call("GET", "/api/friends"),
  /** @param {string} username */
  unfriend: (username) => call("DELETE", `/api/friends/${part(username)}`),
  /** @param {string} username */
  ask: (username) => call("POST", "/api/friend-request/send", { username }),
  /** @param {number} id @param {"accept" | "reject"} action */
  respond: (id, action) => call("POST", `/api/friend-request/${id}/respond`, { action }),
  requests: () => call("GET", "/api/friend-requests/pending"),
  /** @param {string} username */
  block: (username) => call("PUT", `/api/blocks/${part(username)}`),
  /** @param {string} username */
  unblock: (username) => call("DELETE", `/api/blocks/${part(username)}`),
  denoisers: () => call("GET", "/api/denoisers"),
  /** @param {string} username @param {number} [withinMs] */
  status: (username, withinMs) => call("GET", `/api/stream/status/${part(username)}`, undefined, withinMs),
  /** @param {{enabled?: boolean, strength_db?: number | null, denoiser?: string}} wish */
  denoise: (wish) => call("POST", "/api/stream/denoise", wish),
  /** @param {boolean} muted */
  mute: (muted) => call("POST", "/api/stream/mute", { muted }),
  stop: () => call("POST", "/api/stream/stop", {}),
  park: () => navigator.sendBeacon("/api/stream/park"),
  /** @param {string | null} username null = one's own @param {string} [before] */
  recordings: (username, before) => call("GET", `/api/recordings${username === null ? "" : `/${part(username)}`}${before ? `?before=${part(before)}` : ""}`),
  /** @param {number} id @param {string} variant @param {number} points */
  peaks: (id, variant, points) => call("GET", `/api/recording/${id}/peaks?variant=${variant}&points=${points}`),
  /** @param {number} id @param {string} title */
  rename: (id, title) => call("PATCH", `/api/recording/${id}`, { title }),
  /** @param {number} id */
  forget: (id) => call("DELETE", `/api/recording/${id}`),
  storage: () => call("GET", "/api/storage"),
  /** @param {"practice" | "remote"} kind */
  companion: (kind) => call("POST", "/api/companions", { kind }),
  /** @param {string} id */
  endCompanion: (id) => call("DELETE", `/api/companions/${part(id)}`),
  /** @param {string} id @param {string} code */
  join: (id, code) => call("POST", `/api/companions/${part(id)}/join`, { code }),
};

/** @param {number} id @param {string} variant @param {string} format @param {boolean} [download] */
export function audioUrl(id, variant, format, download = false) {
  return `/api/recording/${id}/audio?variant=${variant}&format=${format}${download ? "&download=1" : ""}`;
}
