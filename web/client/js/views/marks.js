/** Chords and practice marks of the own broadcast, as they come. */

import { h, setText, show } from "../page/dom.js";
import { clock } from "../page/format.js";
import { desk } from "../words/broadcasting.js";

const SHOWN = 6;

export function marks() {
  const now = h("p", { class: "chord" });
  const practice = h("p", { class: "quiet" });
  const list = h("ol", { class: "marks", "aria-label": desk.marks });
  const root = h("section", { class: "marks-now", "aria-label": desk.marks }, now, practice, list);
  let drawn = "";
  return {
    root,
    /** @param {readonly import("../state/types.js").Chapter[]} all oldest first @param {boolean} live */
    update(all, live) {
      show(root, live && all.length > 0);
      const chord = all.findLast((mark) => mark.kind === "chord");
      const practising = all.findLast((mark) => mark.kind === "practice");
      setText(now, chord?.text ?? "");
      show(now, Boolean(chord));
      setText(practice, practising ? (practising.text === "started" ? desk.practising : desk.practised) : "");
      show(practice, Boolean(practising));
      const latest = all.slice(-SHOWN).reverse();
      const key = JSON.stringify(latest);
      if (key === drawn) return;
      drawn = key;
      list.replaceChildren(...latest.map(({ at_s, kind, text }) => h("li", null, h("span", { class: "quiet" }, clock(at_s)), kind === "practice" ? desk.practice[text] ?? text : text)));
    },
  };
}
