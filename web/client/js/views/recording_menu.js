/** The menu of a recording: download, change the title, delete. What cannot be done now is not in it. */

import { asProblem, audioUrl } from "../server/api.js";
import { attribute, h, setText, show } from "../page/dom.js";
import { size } from "../page/format.js";
import { troubleText } from "../words/errors.js";
import { titleOf } from "../page/titles.js";
import { recordings as words } from "../words/recordings.js";
import { button, dialog, uid } from "./controls.js";

/** @typedef {import("../state/types.js").Recording} Recording */

/** The server's limit, in letters. */
const LONGEST_TITLE = 200;

/** @param {import("../state/app.js").App} app @param {() => Recording} recording */
export function recordingMenu(app, recording) {
  const links = h("div", { class: "menu-links" });
  /** The focus is left where it can return to. */
  const closed = () => {
    root.open = false;
    summary.focus();
  };
  const rename = button(words.rename, () => {
    closed();
    askTitle(app, recording());
  }, { class: "plain" });
  const remove = button(words.remove, () => {
    const removed = recording();
    closed();
    app.recordings.deleteLater(removed, (trouble) => app.toast({ text: words.notDeleted(titleOf(removed), troubleText(trouble)) }));
    app.announce(words.deletedSaid(titleOf(removed)));
  }, { class: "plain" });
  const summary = h("summary", {}, words.more);
  const root = h("details", { class: "menu" }, summary, h("div", { class: "menu-box" }, links, rename, remove));
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && root.open) closed();
  });
  root.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !root.contains(event.relatedTarget)) root.open = false;
  });
  let known = "";
  return {
    root,
    focus: () => summary.focus(),
    /** @param {Recording} now */
    update(now) {
      attribute(summary, "aria-label", words.moreOf(titleOf(now)));
      const own = now.username === app.state.me?.username;
      show(rename, own);
      show(remove, own && now.state !== "live");
      show(root, own || now.state === "ready");
      const wanted = now.state === "ready" ? now.variants.join() : "";
      if (wanted === known) return;
      known = wanted;
      links.replaceChildren(...(wanted ? now.variants.map((variant) => h("a", { href: audioUrl(now.id, variant, "wav", true), download: true }, variant === "denoised" ? words.downloadClean : words.downloadRaw)) : []));
      if (wanted) links.append(h("span", { class: "quiet" }, size(now.size_bytes)));
    },
  };
}

/** @param {import("../state/app.js").App} app @param {Recording} recording */
function askTitle(app, recording) {
  const id = uid("title");
  const why = h("p", { class: "hint wrong", id: `${id}-why`, role: "alert" });
  const input = h("input", { id, maxlength: LONGEST_TITLE, value: recording.title, autocomplete: "off", "aria-describedby": `${id}-why`, on: { input: () => tell("") } });
  /** Say at the field what is wrong with it; "" if nothing is. @param {string} sentence */
  const tell = (sentence) => {
    attribute(input, "aria-invalid", sentence ? "true" : null);
    setText(why, sentence);
  };
  const save = h("button", { type: "submit", class: "strong" }, words.save);
  const submit = async () => {
    const title = input.value.trim();
    if (!title) return refuse(words.blank);
    save.disabled = true;
    try {
      await app.recordings.rename(recording, title);
      asked.close();
      app.announce(words.renamed);
    } catch (error) {
      const problem = asProblem(error);
      refuse(problem.errors["title"] ? words.refused(problem.errors["title"]) : troubleText(problem.trouble()));
    } finally {
      save.disabled = false;
    }
  };
  /** @param {string} sentence */
  const refuse = (sentence) => {
    tell(sentence);
    input.focus();
  };
  const form = h("form", { novalidate: true, on: {
    submit: (event) => {
      event.preventDefault();
      void submit();
    },
  } }, h("div", { class: "field" }, h("label", { for: id }, words.title), input, why), h("div", { class: "row end" }, button(words.cancel, () => asked.close()), save));
  const asked = dialog(words.rename, form);
  input.select();
}
