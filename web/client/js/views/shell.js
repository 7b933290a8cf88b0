/** What stays while the pages change: top bar, left column, player, the one live region. */

import { attribute, h, link, say, show } from "../page/dom.js";
import { isOpen } from "../state/route.js";
import { miniPlayer } from "./mini_player.js";
import { nowLine } from "./now_line.js";
import { people } from "./people.js";

/** @typedef {import("../state/types.js").State} State */

/** @param {import("../state/app.js").App} app */
export function shell(app) {
  const count = h("span", { class: "count" });
  const friends = link("/#friends", { class: "friends-button" }, "Friends", count);
  const bar = h("header", { class: "bar" }, mark(), friends);
  const column = people(app);
  const side = h("aside", { class: "side", "aria-label": "Friends and ways" }, mark(), column.root);
  const main = h("main", { id: "main", tabindex: "-1" });
  const player = miniPlayer(app);
  const toast = toastLine(app);
  const now = nowLine(app);
  const bottom = h("div", { class: "bottom" }, toast.root, now.root, player.root);
  new ResizeObserver(() => document.documentElement.style.setProperty("--under", `${bottom.offsetHeight}px`)).observe(bottom); // what is fixed stands on it
  const root = h("div", { class: "frame" }, h("a", { class: "skip", href: "#main", on: { click: () => main.focus() } }, "Skip to the page"), bar, side, main, bottom);
  return {
    root,
    main,
    /** @param {State} state */
    update(state) {
      const inside = Boolean(state.me) && !(isOpen(state.route) && state.route.page !== "join");
      attribute(root, "class", inside ? "frame" : "frame alone");
      show(side, inside);
      show(friends, inside);
      if (inside) column.update(state);
      const live = (state.friends ?? []).filter((friend) => friend.live).length;
      const asking = state.requests.incoming.length;
      say(count, live ? `${live} live` : asking ? `${asking} new` : "");
      attribute(count, "class", live ? "count on" : "count");
      attribute(friends, "aria-current", state.route.page === "friends" ? "page" : null);
      player.update(state);
      now.update(state);
      toast.update(state);
    },
  };
}

/** The name and its mark: the hush line, small. */
export function mark() {
  return link("/", { class: "mark", "aria-label": "Hushcast, your page" }, h("img", { src: "/favicon.svg", alt: "", width: "28", height: "28" }), "Hushcast");
}

/** @param {import("../state/app.js").App} app */
function toastLine(app) {
  const text = h("span");
  const act = h("button", { type: "button", class: "plain" });
  const away = h("button", { type: "button", class: "plain", "aria-label": "Close this note", on: { click: () => app.toast(null) } }, "Close");
  const root = h("div", { class: "toast" }, text, act, away);
  act.addEventListener("click", () => {
    app.state.toast?.action?.run();
    app.toast(null);
  });
  return {
    root,
    /** @param {State} state */
    update({ toast }) {
      show(root, toast !== null);
      say(text, toast?.text ?? "");
      show(act, Boolean(toast?.action));
      say(act, toast?.action?.label ?? "");
    },
  };
}
