/** Finding people by name. */

import { api, asProblem } from "../server/api.js";
import { h, link, Rows, say } from "../page/dom.js";
import { userPath } from "../state/route.js";
import { troubleText } from "../page/messages.js";
import { button, field } from "./controls.js";

/** @typedef {import("../state/types.js").Found} Found */

const PAUSE_MS = 200;
/** @type {Record<string, string>} */
const RELATIONS = { friend: "Your friend", outgoing: "You have asked", incoming: "Asks you", blocked: "Blocked", self: "You" };

/** @param {import("../state/app.js").App} app */
export function search(app) {
  const text = field("Name", { type: "search", autocapitalize: "none", autocomplete: "off", value: new URLSearchParams(location.search).get("q") ?? "" });
  const note = h("p", { class: "message", role: "status" });
  const list = h("ul", { class: "found", "aria-label": "People found" });
  const rows = new Rows(list, (/** @type {Found} */ found) => `${found.username} ${found.relation}`, (found) => foundRow(app, found, () => void look()));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const look = async () => {
    const wanted = text.input.value.trim();
    if (!wanted) return rows.update([]);
    try {
      /** @type {Found[]} */
      const found = await api.search(wanted);
      if (text.input.value.trim() !== wanted) return; // overtaken by the next letter
      rows.update(found);
      say(note, found.length ? "" : `Nobody here is called anything like “${wanted}”. You can send an invite instead.`);
    } catch (error) {
      say(note, troubleText(asProblem(error).trouble()));
    }
  };
  text.input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => void look(), PAUSE_MS);
  });
  const form = h("form", { role: "search", on: {
    submit: (event) => {
      event.preventDefault();
      void look();
    },
  } }, text.root);
  void look();
  return {
    root: h("div", { class: "search" }, h("h1", { tabindex: "-1" }, "Find somebody"), form, note, list),
    title: "Find somebody",
    update: () => undefined,
    close: () => clearTimeout(timer),
  };
}

/** @param {import("../state/app.js").App} app @param {Found} found @param {() => void} again */
function foundRow(app, found, again) {
  const ask = button("Ask to be friends", () => void app.attempt(async () => {
    await api.ask(found.username);
    await app.refreshPeople();
    again();
  }), { class: "strong", "aria-label": `Ask ${found.username} to be friends` });
  return {
    root: h("li", { class: "row between" }, link(found.relation === "self" ? "/" : userPath(found.username), { class: "who" }, found.username),
      found.relation === "none" ? ask : h("span", { class: "quiet" }, RELATIONS[found.relation] ?? "")),
    update: () => undefined,
  };
}
