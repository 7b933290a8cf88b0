/** Invite companion devices: a QR code to scan, and how many phones are connected. */

import { h, setText, show } from "../page/dom.js";
import { linkNote } from "../page/links.js";
import { invite as words } from "../words/companions.js";
import { button, dialog } from "./controls.js";

/** @typedef {{id: string, url: string}} Place */

/** @param {import("../state/app.js").App} app */
export function companionInvite(app) {
  const kinds = /** @type {("remote" | "practice")[]} */ (Object.keys(words.kinds));
  return h("div", { class: "row" }, ...kinds.map((kind) => button(words.kinds[kind].title, () => void app.attempt(async () => invite(app, kind, await app.companionSession.open(kind))))));
}

/** @param {import("../state/app.js").App} app @param {"remote" | "practice"} kind @param {Place} place */
function invite(app, kind, { id, url }) {
  const { title, sentence } = words.kinds[kind];
  const come = h("p", { class: "strong", role: "status" });
  const heard = () => setText(come, words.connected(app.companionSession.phones));
  heard();
  app.companionSession.addEventListener("devices", heard);
  const square = h("img", { class: "square", src: `/api/companions/${encodeURIComponent(id)}/qr.svg`, alt: words.square, width: "220", height: "220" });
  const note = linkNote(url);
  const shown = dialog(title, h("p", null, sentence), square, h("p", { class: "quiet" }, h("a", { href: url, target: "_blank", rel: "noopener" }, words.open)), ...(note ? [h("p", { class: "quiet" }, note)] : []), come,
    h("div", { class: "row end" }, button(words.close, () => shown.close())));
  shown.addEventListener("close", () => app.companionSession.removeEventListener("devices", heard));
}

/** In the studio: whether a phone is connected, and whether it has anything to do. */
export function phonesLine() {
  const root = h("p", { class: "quiet", role: "status" });
  return {
    root,
    /** @param {number} phones @param {boolean} live */
    update(phones, live) {
      setText(root, !phones ? "" : live ? words.connected(phones) : words.early(phones));
      show(root, phones > 0);
    },
  };
}
