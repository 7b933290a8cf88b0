/** The frame that stays when the page changes: top bar, left column, toast, player. */

import { attribute, h, link, setText, show } from "../page/dom.js";
import { isReached } from "../state/reached.js";
import { isPublic } from "../state/route.js";
import { button } from "./controls.js";
import { miniPlayer } from "./mini_player.js";
import { nowLine } from "./now_line.js";
import { frame as words, people as peopleWords } from "../words/people.js";
import { people } from "./people.js";

/** @typedef {import("../state/types.js").State} State */

/** @param {import("../state/app.js").App} app */
export function shell(app) {
  const count = h("span", { class: "count" });
  const friends = link("/#friends", { class: "friends-button" }, peopleWords.friends, count);
  const bar = h("header", { class: "bar" }, logo(), friends);
  const column = people(app);
  const side = h("aside", { class: "side", "aria-label": peopleWords.beside }, logo(), column.root);
  const main = h("main", { id: "main", tabindex: "-1" });
  const player = miniPlayer(app);
  const toast = toastLine(app);
  const now = nowLine(app);
  const outdated = h("p", { class: "outdated row between", hidden: true }, h("span", null, words.outdated), button(words.reload, () => location.reload(), { class: "plain" }));
  const bottom = h("div", { class: "bottom" }, outdated, toast.root, now.root, player.root);
  makeRoom(bottom);
  const root = h("div", { class: "frame" }, h("a", { class: "skip", href: "#main", on: { click: () => main.focus() } }, peopleWords.skip), bar, side, main, bottom);
  return {
    root,
    main,
    /** @param {State} state */
    update(state) {
      const inside = Boolean(state.me) && (!isPublic(state.route) || state.route.page === "join" || state.route.page === "lost");
      attribute(root, "class", inside ? "frame" : "frame alone");
      show(side, inside);
      show(friends, inside);
      if (inside) column.update(state);
      const live = isReached(state) ? (state.friends ?? []).filter((friend) => friend.live).length : 0;
      const asking = state.requests.incoming.length;
      setText(count, peopleWords.count(live, asking));
      attribute(count, "class", live ? "count on" : "count");
      attribute(friends, "aria-current", state.route.page === "friends" ? "page" : null);
      const within = bottom.contains(document.activeElement);
      player.update(state);
      now.update(state);
      toast.update(state);
      show(outdated, state.outdated);
      if (within && document.activeElement instanceof HTMLElement && document.activeElement.offsetParent === null) main.focus({ preventScroll: true }); // what had the focus is gone
    },
  };
}

/** Keep what was seen at the end of the page, and what has the focus, above what comes at the bottom. @param {HTMLElement} bottom */
function makeRoom(bottom) {
  const root = document.documentElement;
  let before = 0;
  new ResizeObserver(() => {
    const more = bottom.offsetHeight - before, { activeElement: active } = document;
    before = bottom.offsetHeight;
    root.style.setProperty("--under", `${before}px`); // sticky controls stand above it
    if (more <= 0) return;
    if (root.scrollHeight - root.clientHeight - scrollY <= more + 1) scrollTo(0, root.scrollHeight);
    else if (active && active !== document.body && !bottom.contains(active) && isCovered(active.getBoundingClientRect(), innerHeight - before, more)) active.scrollIntoView({ block: "nearest" });
  }).observe(bottom);
}

/** Whether what was seen reaches below `edge` by now, which stood lower by `more`; not what is larger than the screen. @param {DOMRect} box @param {number} edge @param {number} more */
function isCovered({ top, bottom, height }, edge, more) {
  return top < edge + more && bottom > edge && height < edge;
}

/** The name with the small hush line. */
export function logo() {
  return link("/", { class: "mark", "aria-label": words.logo }, h("img", { src: "/favicon.svg", alt: "", width: "28", height: "28" }), "Hushcast");
}

/** @param {import("../state/app.js").App} app */
function toastLine(app) {
  const text = h("span");
  const act = h("button", { type: "button", class: "plain" });
  const away = h("button", { type: "button", class: "plain", "aria-label": words.closeNote, on: { click: () => app.toast(null) } }, words.close);
  const root = h("section", { class: "toast", "aria-label": words.note }, text, act, away);
  act.addEventListener("click", () => {
    app.state.toast?.action?.run();
    app.toast(null);
  });
  return {
    root,
    /** @param {State} state */
    update({ toast }) {
      show(root, toast !== null);
      setText(text, toast?.text ?? "");
      show(act, Boolean(toast?.action));
      setText(act, toast?.action?.label ?? "");
    },
  };
}
