/** Paths of the page. Pure. */

/** @typedef {import("./types.js").Route} Route */

/** @type {[RegExp, (found: RegExpMatchArray) => Route][]} */
const TABLE = [
  [/^\/$/, () => ({ page: "home" })],
  [/^\/(login|register|library|settings|doctor)$/, (found) => ({ page: /** @type {string} */ (found[1]) })],
  [/^\/search$/, () => ({ page: "search" })],
  [/^\/user\/([^/]+)$/, (found) => ({ page: "user", name: decode(found[1]) })],
  [/^\/join\/([^/]+)$/, (found) => ({ page: "join", id: decode(found[1]) })],
  [/^\/l\/([^/]+)$/, (found) => ({ page: "link", token: decode(found[1]) })],
];

/** @param {string | undefined} part */
function decode(part) {
  try {
    return decodeURIComponent(part ?? "");
  } catch {
    return part ?? "";
  }
}

/** The route of a URL of this site; a trailing slash counts for nothing. @param {URL | Location} url @returns {Route} */
export function routeOf(url) {
  const path = url.pathname.length > 1 ? url.pathname.replace(/\/+$/, "") : "/";
  if (path === "/" && url.hash === "#friends") return { page: "friends" };
  for (const [pattern, make] of TABLE) {
    const found = path.match(pattern);
    if (found) return { ...make(found), query: url.search };
  }
  return { page: "lost" };
}

/** May this page be seen without an account? @param {Route} route */
export function isOpen(route) {
  return ["login", "register", "join", "link"].includes(route.page);
}

/** @param {string} username */
export function userPath(username) {
  return `/user/${encodeURIComponent(username)}`;
}

/**
 * Where `?next=` leads after signing in: to a page of this site that there is, else to the own page. @param {string} search
 * @param {string} origin
 */
export function nextOf(search, origin) {
  const next = new URLSearchParams(search).get("next") ?? "";
  if (!/^\/(?![/\\])[^\\\p{Cc}]*$/u.test(next)) return "/"; // browsers read //, /\ and a tab between as another site
  const url = new URL(next, origin);
  const isThere = url.origin === origin && !["lost", "login", "register"].includes(routeOf(url).page);
  return isThere ? url.pathname + url.search + url.hash : "/";
}
