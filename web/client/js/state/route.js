/** Maps paths to pages. Pure. */

/** @typedef {import("./types.js").Route} Route */

/** @type {[RegExp, (found: RegExpMatchArray) => Route][]} */
const TABLE = [
  [/^\/$/, () => ({ page: "home" })],
  [/^\/(login|register|studio|library|settings|doctor|admin|reset|recover)$/, (found) => ({ page: /** @type {string} */ (found[1]) })],
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

/** The route of a URL of this site; a trailing slash is ignored. @param {URL | Location} url @returns {Route} */
export function routeOf(url) {
  const path = url.pathname.length > 1 ? url.pathname.replace(/\/+$/, "") : "/";
  if (path === "/" && url.hash === "#friends") return { page: "friends" };
  for (const [pattern, make] of TABLE) {
    const found = path.match(pattern);
    if (found) return { ...make(found), query: url.search };
  }
  return { page: "lost" };
}

/** Whether the page is shown without an account. @param {Route} route */
export function isPublic(route) {
  return ["login", "register", "join", "link", "lost", "reset", "recover"].includes(route.page);
}

/** @param {string} username */
export function userPath(username) {
  return `/user/${encodeURIComponent(username)}`;
}

/** The path of the sign-in page, which leads back to this route. @param {Route} route @param {Location | URL} here */
export function signInPath(route, here) {
  return route.page === "home" ? "/login" : `/login?next=${encodeURIComponent(here.pathname + here.search + here.hash)}`;
}

/**
 * The target of `?next=` after signing in if it is a page of this site, else "/". @param {string} search
 * @param {string} origin
 */
export function nextOf(search, origin) {
  const next = new URLSearchParams(search).get("next") ?? "";
  if (!/^\/(?![/\\])[^\\\p{Cc}]*$/u.test(next)) return "/"; // browsers take //, /\ and a tab between them for another site
  const url = new URL(next, origin);
  const isThere = url.origin === origin && !["lost", "login", "register", "reset", "recover"].includes(routeOf(url).page);
  return isThere ? url.pathname + url.search + url.hash : "/";
}
