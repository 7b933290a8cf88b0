/** Links for others. They lead here by an address that other devices know too, which need not be this page's own. */

/** What the server has written into the page's head. @param {string} name @returns {string | null} */
const told = (name) => document.querySelector(`meta[name="${name}"]`)?.getAttribute("content") ?? null;

/** The whole link to a path of this site. @param {string} path */
export function forOthers(path) {
  return new URL(path, told("site") ?? location.href).href;
}

/** What whoever gets this link has to know beforehand; "" for nothing. @param {string} url */
export function linkNote(url) {
  return noteText(new URL(url).hostname, told("certificate"));
}

/** Pure. @param {string} host @param {string | null} certificate */
export function noteText(host, certificate) {
  if (/^(.*\.)?localhost$|^127\.|^\[::1\]$/.test(host)) return "This address leads here on this computer only.";
  return certificate === "self-signed" ? "The browser there will warn about the certificate first: it is this server's own." : "";
}
