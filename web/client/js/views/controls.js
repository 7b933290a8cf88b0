/** The few controls that the views share. Each returns its root and an update. */

import { attribute, h, say } from "../page/dom.js";
import { forOthers, linkNote } from "../page/links.js";

let serial = 0;

/** An id nobody else has, to tie a label to its field. @param {string} word */
export function uid(word) {
  serial += 1;
  return `${word}-${serial}`;
}

/**
 * One choice out of few, as native radios: arrows, forms and screen readers know them.
 * @template {string} T
 * @param {string} legend @param {readonly {value: T, label: string, kind?: "clean" | "raw"}[]} options @param {(value: T) => void} chosen
 */
export function segmented(legend, options, chosen) {
  const name = uid("choice");
  /** @type {Map<T, HTMLInputElement>} */
  const inputs = new Map();
  const parts = options.map(({ value, label, kind }) => {
    const input = h("input", { type: "radio", name, value, on: { change: () => chosen(value) } });
    inputs.set(value, input);
    return h("label", { class: `segment ${kind ?? ""}` }, input, h("span", null, label));
  });
  const root = h("fieldset", { class: "segmented" }, h("legend", { class: "unseen" }, legend), ...parts);
  return {
    root,
    /** @param {T} value @param {boolean} [disabled] */
    update(value, disabled = false) {
      const input = inputs.get(value);
      if (input && !input.checked) input.checked = true;
      root.disabled = disabled;
    },
  };
}

/** @param {string} label @param {(on: boolean) => void} turned @param {string} [kind] "clean" where it is about that */
export function toggle(label, turned, kind = "") {
  const root = h("button", { type: "button", role: "switch", class: `switch ${kind}`, "aria-checked": "false", "aria-label": label,
    on: { click: () => turned(root.getAttribute("aria-checked") !== "true") } }, h("span", { class: "switch-track" }, h("span", { class: "switch-thumb" })), h("span", null, label));
  return {
    root,
    /** @param {boolean} on @param {boolean} [disabled] */
    update(on, disabled = false) {
      attribute(root, "aria-checked", on);
      root.disabled = disabled;
    },
  };
}

/** A slider and the same number to type. @param {string} label @param {string} unit @param {{min: number, max: number, step: number}} range @param {(value: number) => void} moved @param {boolean} [live] tell while it is dragged */
export function slider(label, unit, range, moved, live = false) {
  const id = uid("slider");
  const bounds = { min: range.min, max: range.max, step: range.step };
  const track = h("input", { type: "range", id, ...bounds });
  const number = h("input", { type: "number", class: "number", "aria-label": `${label}, ${unit}`, ...bounds });
  /** @param {string} text */
  const tell = (text) => {
    const value = Math.min(range.max, Math.max(range.min, Number(text)));
    if (Number.isFinite(value)) moved(value);
  };
  track.addEventListener("input", () => {
    number.value = track.value;
    if (live) tell(track.value);
  });
  track.addEventListener("change", () => tell(track.value));
  number.addEventListener("change", () => tell(number.value));
  return {
    root: h("div", { class: "slider" }, h("label", { for: id }, label), track, number, h("span", { class: "unit" }, unit)),
    /** @param {number} value @param {boolean} [disabled] */
    update(value, disabled = false) {
      const text = String(value);
      if (document.activeElement !== track) track.value = text;
      if (document.activeElement !== number) number.value = text;
      track.disabled = disabled;
      number.disabled = disabled;
    },
  };
}

/** @param {string} label @param {Record<string, unknown>} props an input's attributes @param {string} [hint] */
export function field(label, props, hint) {
  const id = uid("field");
  const why = h("p", { class: "hint", id: `${id}-hint` }, hint ?? "");
  const input = h("input", { id, "aria-describedby": `${id}-hint`, ...props });
  return {
    root: h("div", { class: "field" }, h("label", { for: id }, label), input, why),
    input,
    /** @param {string | null} wrong */
    refuse(wrong) {
      attribute(input, "aria-invalid", wrong ? "true" : null);
      attribute(why, "class", wrong ? "hint wrong" : "hint");
      say(why, wrong ? `This ${wrong}.` : hint ?? ""); // the server names the field beside it
    },
  };
}

/** @param {string} text @param {() => void} run @param {Record<string, unknown>} [props] */
export function button(text, run, props = {}) {
  return h("button", { type: "button", on: { click: run }, ...props }, text);
}

/** Streaming, Offline or LIVE: a word and a dot or a ring, never colour alone. */
export function badge() {
  const root = h("span", { class: "badge" });
  return {
    root,
    /** @param {boolean} live @param {string} [word] */
    update(live, word = live ? "Streaming" : "Offline") {
      attribute(root, "class", live ? "badge on" : "badge");
      say(root, word);
    },
  };
}

/** A question or a text over the page; the focus goes back to where it was. @param {string} title @param {...(Node | string)} children */
export function dialog(title, ...children) {
  const id = uid("dialog");
  const before = document.activeElement;
  const root = h("dialog", { "aria-labelledby": id }, h("h2", { id }, title), ...children);
  root.addEventListener("close", () => {
    root.remove();
    if (before instanceof HTMLElement) before.focus();
  });
  root.addEventListener("click", (event) => {
    if (event.target === root) root.close();
  });
  document.body.append(root);
  root.showModal();
  return root;
}

/** @param {string} title @param {string} text @param {string} yes @param {() => void} run */
export function confirm(title, text, yes, run) {
  const asked = dialog(title, h("p", null, text), h("div", { class: "row end" },
    button("Keep it so", () => asked.close()),
    button(yes, () => {
      asked.close();
      run();
    }, { class: "danger" })));
}

/** A text to take along, with a button that copies it. @param {string} title @param {string} sentence @param {string} value @param {string} [note] */
export function share(title, sentence, value, note = "") {
  const input = h("input", { readonly: true, value, "aria-label": title, on: { focus: () => input.select() } });
  const copy = button("Copy", () => {
    input.select();
    navigator.clipboard?.writeText(value).catch(() => undefined); // it is selected: the keyboard can do it
    say(copy, "Copied");
  }, { class: "strong" });
  const shown = dialog(title, h("p", null, sentence), h("div", { class: "row" }, input, copy), ...(note ? [h("p", { class: "quiet" }, note)] : []), h("div", { class: "row end" }, button("Close", () => shown.close())));
}

/** A link for others to take along. @param {string} title @param {string} sentence @param {string} path */
export function shareLink(title, sentence, path) {
  const url = forOthers(path);
  share(title, sentence, url, linkNote(url));
}
