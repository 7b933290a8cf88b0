/** Links to give to others. They use the address by which other devices reach the server, which may differ from this page's own. */

import { addresses as words } from "../words/people.js";

/** A meta tag that the server has added to the page's head. @param {string} name @returns {string | null} */
export const metaContent = (name) => document.querySelector(`meta[name="${name}"]`)?.getAttribute("content") ?? null;

/** The full URL of a path of this site, for other devices. @param {string} path */
export function publicUrl(path) {
  return new URL(path, metaContent("site") ?? location.href).href;
}

/** A warning to show beside a link; "" if there is none. @param {string} url */
export function linkNote(url) {
  return noteText(new URL(url).hostname, metaContent("certificate"));
}

/** Pure. @param {string} host @param {string | null} certificate */
export function noteText(host, certificate) {
  if (/^(.*\.)?localhost$|^127\.|^\[::1\]$/.test(host)) return words.here;
  return certificate === "self-signed" ? words.certificate : "";
}
