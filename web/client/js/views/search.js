/** Finds users by name. */

import { api, asProblem } from "../server/api.js";
import { disable, h, link, Rows, setText } from "../page/dom.js";
import { isReached } from "../state/reached.js";
import { userPath } from "../state/route.js";
import { troubleText } from "../words/errors.js";
import { requests as asking, search as words } from "../words/people.js";
import { button, field } from "./controls.js";
import { act } from "./requests.js";

/** @typedef {import("../state/types.js").Found} Found */
/** @typedef {import("../state/types.js").State} State */

const PAUSE_MS = 200;

/** @param {import("../state/app.js").App} app */
export function search(app) {
  const text = field(words.name, { type: "search", autocapitalize: "none", autocomplete: "off", maxlength: "100", value: new URLSearchParams(location.search).get("q") ?? "" });
  const note = h("p", { class: "message", role: "status" });
  const list = h("ul", { class: "found", "aria-label": words.found });
  const rows = new Rows(list, (/** @type {Found} */ found) => found.username, (found) => foundRow(app, found.username, look));
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @returns {Promise<void>} */
  async function look() {
    const wanted = text.input.value.trim();
    if (!wanted) {
      setText(note, "");
      return rows.update([]);
    }
    try {
      /** @type {Found[]} */
      const found = await api.search(wanted);
      if (text.input.value.trim() !== wanted) return; // the query has changed meanwhile
      rows.update(found);
      setText(note, found.length ? "" : words.nobody(wanted));
    } catch (error) {
      setText(note, troubleText(asProblem(error).trouble()));
    }
  }
  text.input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => void look(), PAUSE_MS);
  });
  const form = h("form", { role: "search", "aria-label": words.title, on: {
    submit: (event) => {
      event.preventDefault();
      void look();
    },
  } }, text.root);
  void look();
  let known = peopleKey(app.state);
  let reached = isReached(app.state);
  return {
    root: h("div", { class: "search" }, h("h1", { tabindex: "-1" }, words.title), form, note, list),
    title: words.title,
    /** Look again when a friendship or request begins or ends, and when the server is back. @param {State} state */
    update(state) {
      const now = peopleKey(state), isBack = isReached(state) && !reached;
      reached = isReached(state);
      disable(!reached, ...list.querySelectorAll("button"));
      if (now === known && !isBack) return;
      known = now;
      void look();
    },
    close: () => clearTimeout(timer),
  };
}

/** Who is a friend and who has asked. Pure. @param {State} state */
function peopleKey({ friends, requests }) {
  return JSON.stringify([(friends ?? []).map(({ username }) => username), requests.incoming.map(({ id }) => id), requests.outgoing.map(({ id }) => id)]);
}

/** @param {import("../state/app.js").App} app @param {string} name @param {() => Promise<void>} again */
function foundRow(app, name, again) {
  const who = link(userPath(name), { class: "who" }, name);
  const place = h("div", { class: "row" });
  let known = "";
  /** Do something, look again, and keep the focus in this row. @param {() => Promise<unknown>} work @param {string} said */
  const run = (work, said) => void act(app, work, said, () => null).then(again).then(() => {
    if (document.activeElement === document.body) (place.querySelector("button") ?? who).focus();
  });
  const asked = () => app.state.requests.incoming.find(({ username }) => username === name)?.id;
  const asks = () => app.state.requests.outgoing.find(({ username }) => username === name)?.id;
  /** @type {Record<string, () => Node[]>} */
  const made = {
    none: () => [button(words.askLabel(name), () => run(() => api.requestFriend(name), asking.outgoing(name)), { class: "strong" })],
    outgoing: () => [button(asking.withdraw, () => run(async () => api.withdraw(asks() ?? 0), asking.withdrawn), { class: "plain", "aria-label": asking.withdrawLabel(name) })],
    incoming: () => [button(asking.accept, () => run(async () => api.respond(asked() ?? 0, "accept"), asking.accepted(name)), { class: "strong", "aria-label": asking.acceptLabel(name) })],
    blocked: () => [button(words.unblock, () => run(() => api.unblock(name), words.unblocked(name)), { "aria-label": words.unblockLabel(name) })],
  };
  return {
    root: h("li", { class: "row between" }, who, place),
    /** @param {Found} found */
    update({ relation }) {
      if (relation === known) return;
      known = relation;
      who.setAttribute("href", relation === "self" ? "/studio" : userPath(name));
      place.replaceChildren(h("span", { class: "quiet" }, words.relations[relation] ?? ""), ...(made[relation]?.() ?? []));
    },
  };
}
