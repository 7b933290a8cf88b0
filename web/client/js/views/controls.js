/** The controls that the views share. Each returns its root and an update. */

import { attribute, h, setText } from "../page/dom.js";
import { linkNote, publicUrl } from "../page/links.js";
import { fieldText } from "../words/errors.js";
import { controls } from "../words/controls.js";
import { frame as words } from "../words/people.js";

let serial = 0;

/** A unique id, to connect a label with its field. @param {string} word */
export function uid(word) {
  serial += 1;
  return `${word}-${serial}`;
}

/**
 * A choice among few options, as native radio buttons.
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

/** @param {string} label @param {(on: boolean) => void} turned */
export function toggle(label, turned) {
  const root = h("button", { type: "button", role: "switch", class: "switch", "aria-checked": "false", "aria-label": label,
    on: { click: () => turned(root.getAttribute("aria-checked") !== "true") } }, h("span", { class: "switch-track" }, h("span", { class: "switch-thumb" })), h("span", null, label));
  return {
    root,
    /** @param {boolean} on @param {boolean} [disabled] @param {boolean} [clean] it has the colour of clean sound, as that is what is heard */
    update(on, disabled = false, clean = false) {
      attribute(root, "class", clean ? "switch clean" : "switch");
      attribute(root, "aria-checked", on);
      root.disabled = disabled;
    },
  };
}

/** A slider with a number input of the same value. @param {string} label @param {string} unit @param {{min: number, max: number, step: number}} range @param {(value: number) => void} moved @param {boolean} [live] call `moved` while it is dragged, too */
export function slider(label, unit, range, moved, live = false) {
  const id = uid("slider");
  const bounds = { min: range.min, max: range.max, step: range.step };
  const track = h("input", { type: "range", id, ...bounds });
  const number = h("input", { type: "number", class: "number", "aria-label": controls.valueOf(label, unit), ...bounds });
  /** @param {string} text */
  const tell = (text) => {
    const value = Math.min(range.max, Math.max(range.min, Number(text)));
    if (text.trim() !== "" && Number.isFinite(value)) moved(value);
    else number.value = track.value; // an empty field is no value: it shows again what is in force
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
    /** Say why the server refuses it, by the server's phrase; null: it does not any more. @param {string | null} reason */
    refuse(reason) {
      this.explain(reason ? fieldText(reason) : null);
    },
    /** Say what is wrong with it; null: nothing any more. @param {string | null} sentence */
    explain(sentence) {
      attribute(input, "aria-invalid", sentence ? "true" : null);
      attribute(why, "class", sentence ? "hint wrong" : "hint");
      setText(why, sentence ?? hint ?? "");
    },
  };
}

/** What the server says is wrong with a field, as a sentence; null where nothing is. @param {import("../server/api.js").Problem} problem @param {string} name */
export function fieldError(problem, name) {
  const reason = problem.errors[name];
  return reason ? fieldText(reason) : null;
}

/** @param {string} text @param {() => void} run @param {Record<string, unknown>} [props] */
export function button(text, run, props = {}) {
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (event.repeat && event.key === "Enter") event.preventDefault(); // a key held down presses once, whatever gets the focus then
  };
  return h("button", { type: "button", on: { click: run, keydown: pressed }, ...props }, text);
}

/** A word (Streaming, LIVE, Offline) with a dot or a ring, so that colour is never the only sign. */
export function badge() {
  const root = h("span", { class: "badge" });
  return {
    root,
    /** @param {boolean} live @param {string} [word] */
    update(live, word = live ? controls.streaming : controls.offline) {
      attribute(root, "class", live ? "badge on" : "badge");
      setText(root, word);
    },
  };
}

/** A modal dialog. When it closes, the focus returns to where it was. @param {string} title @param {...(Node | string)} children */
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
    button(words.keep, () => asked.close()),
    button(yes, () => {
      asked.close();
      run();
    }, { class: "danger" })));
}

/** A dialog with a text to copy. @param {string} title @param {string} sentence @param {string} value @param {string} [note] */
export function share(title, sentence, value, note = "") {
  const input = h("input", { readonly: true, value, "aria-label": title, on: { focus: () => input.select() } });
  const copy = button(words.copy, () => {
    input.select();
    navigator.clipboard?.writeText(value).catch(() => undefined); // the text is selected, so it can be copied by keyboard
    setText(copy, words.copied);
  }, { class: "strong" });
  const shown = dialog(title, h("p", null, sentence), h("div", { class: "row" }, input, copy), ...(note ? [h("p", { class: "quiet" }, note)] : []), h("div", { class: "row end" }, button(words.close, () => shown.close())));
}

/** A dialog with a link to copy. @param {string} title @param {string} sentence @param {string} path */
export function shareLink(title, sentence, path) {
  const url = publicUrl(path);
  share(title, sentence, url, linkNote(url));
}
