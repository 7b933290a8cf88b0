/** You, your friends (live ones first), who asks, and the ways to find more: the left column, and on a phone a page of its own. */

import { attribute, h, link, Rows, say, show } from "../page/dom.js";
import { userPath } from "../state/route.js";
import { api } from "../server/api.js";
import { badge, button, shareLink } from "./controls.js";

/** @typedef {import("../state/types.js").Friend} Friend */
/** @typedef {import("../state/types.js").State} State */

/** Live ones first, then by name. @param {readonly Friend[]} friends */
export function inOrder(friends) {
  return [...friends].sort((a, b) => Number(b.live) - Number(a.live) || a.username.localeCompare(b.username));
}

/** @param {import("../state/app.js").App} app */
export function people(app) {
  const you = you_(app);
  const list = h("ul", { class: "friends", "aria-label": "Friends" });
  const rows = new Rows(list, (/** @type {Friend} */ friend) => friend.username, (friend) => friendRow(app, friend));
  const empty = h("p", { class: "quiet" }, "No friends here yet. Find one by name below, or send an invite.");
  const lost = h("p", { class: "quiet" }, "Connection lost. Trying again.");
  const asks = h("ul", { class: "requests", "aria-label": "Friend requests" });
  const askRows = new Rows(asks, (/** @type {import("../state/types.js").FriendRequest} */ request) => String(request.id), (request) => askRow(app, request));
  const root = h("div", { class: "people" }, you.root, h("h2", { class: "small-head" }, "Friends"), lost, list, empty, asks, foot(app));
  return {
    root,
    /** @param {State} state */
    update(state) {
      you.update(state);
      rows.update(inOrder(state.friends ?? []));
      for (const [name, row] of rows.rows) attribute(/** @type {Element} */ (row.root.firstElementChild), "aria-current", state.route.name === name ? "page" : null);
      show(list, Boolean(state.friends?.length));
      show(empty, state.friends !== null && !state.friends.length);
      show(lost, !state.online && state.friends !== null);
      askRows.update(state.requests.incoming);
      show(asks, state.requests.incoming.length > 0);
    },
    close() {
      rows.close();
      askRows.close();
    },
  };
}

/** @param {import("../state/app.js").App} app */
function you_(app) {
  const name = h("span", { class: "who" });
  const mark = badge();
  const home = link("/", { class: "person you" }, name, mark.root);
  const root = h("nav", { "aria-label": "You" }, home, h("div", { class: "ways" }, link("/library", {}, "Library"), link("/settings", {}, "Settings"), button("Sign out", () => void app.logout(), { class: "plain" })));
  return {
    root,
    /** @param {State} state */
    update(state) {
      const me = state.me?.username ?? "";
      say(name, me);
      mark.update(Boolean(state.statuses[me]?.live));
      attribute(home, "aria-current", state.route.page === "home" ? "page" : null);
      for (const way of root.querySelectorAll(".ways a")) attribute(way, "aria-current", way.getAttribute("href") === `/${state.route.page}` ? "page" : null);
    },
  };
}

/** @param {import("../state/app.js").App} _app @param {Friend} friend */
function friendRow(_app, friend) {
  const mark = badge();
  return {
    root: h("li", null, link(userPath(friend.username), { class: "person" }, h("span", { class: "who" }, friend.username), mark.root)),
    /** @param {Friend} now */
    update: (now) => mark.update(now.live),
  };
}

/** @param {import("../state/app.js").App} app @param {import("../state/types.js").FriendRequest} request */
function askRow(app, request) {
  /** @param {"accept" | "reject"} action */
  const answer = (action) => void app.attempt(async () => {
    await api.respond(request.id, action);
    await app.refreshPeople();
  });
  return {
    root: h("li", { class: "ask" }, h("p", null, link(userPath(request.username), {}, request.username), " asks to be friends."),
      h("div", { class: "row" },
        button("Accept", () => answer("accept"), { class: "strong", "aria-label": `Accept ${request.username}` }),
        button("Not now", () => answer("reject"), { "aria-label": `Reject ${request.username}` }))),
    update: () => undefined,
  };
}

/** @param {import("../state/app.js").App} app */
function foot(app) {
  const input = h("input", { type: "search", name: "q", placeholder: "Name", "aria-label": "Find somebody", autocapitalize: "none", autocomplete: "off" });
  const form = h("form", { role: "search", class: "row find", on: {
    submit: (event) => {
      event.preventDefault();
      app.go(`/search?q=${encodeURIComponent(input.value.trim())}`);
    },
  } }, input, h("button", { type: "submit" }, "Search"));
  const invite = button("Invite a friend", () => void app.attempt(async () => {
    const { url } = await api.invite();
    shareLink("Invite a friend", "Whoever opens this link makes an account and is your friend at once.", url);
  }));
  return h("div", { class: "foot" }, form, invite);
}
