/** Invite companion devices: a QR code to scan, and how many are connected. */

import { h, say } from "../page/dom.js";
import { linkNote } from "../page/links.js";
import { button, dialog } from "./controls.js";

/** @typedef {{id: string, url: string}} Place */
/** @type {Record<"remote" | "practice", [string, string]>} */
const WORDS = {
  remote: ["Phone as a remote", "Scan this with your phone: it can mute you, turn Denoise, and stop."],
  practice: ["Chords and practice", "Scan this with your phone: the chords and practice marks that you press there become chapters of the recording."],
};

/** @param {import("../state/app.js").App} app */
export function companionInvite(app) {
  const kinds = /** @type {("remote" | "practice")[]} */ (Object.keys(WORDS));
  return h("div", { class: "row" }, ...kinds.map((kind) => button(WORDS[kind][0], () => void app.attempt(async () => invite(app, kind, await app.companionSession.open(kind))))));
}

/** @param {import("../state/app.js").App} app @param {"remote" | "practice"} kind @param {Place} place */
function invite(app, kind, { id, url }) {
  const [title, sentence] = WORDS[kind];
  const come = h("p", { class: "strong", role: "status" }, "No phone yet.");
  const heard = (/** @type {Event} */ event) => {
    const count = /** @type {CustomEvent<number>} */ (event).detail;
    say(come, count < 1 ? "No phone yet." : count === 1 ? "One phone is connected." : `${count} phones are connected.`);
  };
  app.companionSession.addEventListener("devices", heard);
  const square = h("img", { class: "square", src: `/api/companions/${encodeURIComponent(id)}/qr.svg`, alt: "A square to scan with the phone", width: "220", height: "220" });
  const note = linkNote(url);
  const shown = dialog(title, h("p", null, sentence), square, h("p", { class: "quiet" }, h("a", { href: url, target: "_blank", rel: "noopener" }, "Or open this link on the other device")), ...(note ? [h("p", { class: "quiet" }, note)] : []), come,
    h("div", { class: "row end" }, button("Close", () => shown.close())));
  shown.addEventListener("close", () => app.companionSession.removeEventListener("devices", heard));
}
