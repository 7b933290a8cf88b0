/** The keys, shown by "?". */

import { h } from "../page/dom.js";
import { button, dialog } from "./controls.js";

const KEYS = [["Space", "Listen or leave on a friend's page; play or pause a recording"], ["M", "Mute: your microphone on air, else what you hear"],
  ["D", "Denoise on or off on air; Clean or Raw of what you hear"], ["Left, Right", "5 seconds in an opened recording"], ["A, B", "Clean, Raw of an opened recording"], ["?", "This list"]];

/** @param {boolean} on */
export function help(on) {
  if (document.querySelector("dialog[open]")) return;
  const shown = dialog("Keys", h("dl", { class: "keys" }, ...KEYS.flatMap(([key, what]) => [h("dt", null, h("kbd", null, key)), h("dd", null, what)])),
    h("p", { class: "quiet" }, on ? "They can be switched off in the settings." : "They are switched off now; the settings turn them on."),
    h("div", { class: "row end" }, button("Close", () => shown.close())));
}
