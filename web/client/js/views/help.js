/** The list of shortcuts, shown by "?". */

import { h } from "../page/dom.js";
import { frame as words } from "../words/people.js";
import { button, dialog } from "./controls.js";

/** @param {boolean} on */
export function help(on) {
  if (document.querySelector("dialog[open]")) return;
  const shown = dialog(words.keys, h("dl", { class: "keys" }, ...words.keyList.flatMap(([key, what]) => [h("dt", null, h("kbd", null, key)), h("dd", null, what)])),
    h("p", { class: "quiet" }, on ? words.keysOn : words.keysOff),
    h("div", { class: "row end" }, button(words.close, () => shown.close())));
}
