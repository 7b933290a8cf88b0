/** The user, friend requests, the friends (live ones first), search and invites: the left column, and a page on phones. */

import { api } from "../server/api.js";
import { attribute, disable, h, link, Rows, setText, show } from "../page/dom.js";
import { statusNow } from "../state/hearing_now.js";
import { awayText, isReached } from "../state/reached.js";
import { userPath } from "../state/route.js";
import { broadcasting } from "../words/broadcasting.js";
import { serverWords } from "../words/lost.js";
import { people as words } from "../words/people.js";
import { badge, button, confirm, shareLink } from "./controls.js";
import { incomingRequests, outgoingRequests } from "./requests.js";

/** @typedef {import("../state/types.js").Friend} Friend */
/** @typedef {import("../state/types.js").State} State */

/** Live ones first, then by name. @param {readonly Friend[]} friends */
export function inOrder(friends) {
  return [...friends].sort((a, b) => Number(b.live) - Number(a.live) || a.username.localeCompare(b.username));
}

/** @param {import("../state/app.js").App} app */
export function people(app) {
  const you = ownEntry(app);
  const friends = friendsPart(app);
  const root = h("div", { class: "people" }, you.root, friends.incoming, friends.root);
  return {
    root,
    /** @param {State} state */
    update(state) {
      you.update(state);
      friends.update(state);
      if (state.route.page === "home") show(friends.incoming, false); // they stand beside it, in the page
    },
    close: friends.close,
  };
}

/**
 * Requests, friends, search and invite: what the column and the first page have in common.
 * @param {import("../state/app.js").App} app @param {() => HTMLElement | null} [elsewhere] where the focus goes after a request, if not to the heading
 */
export function friendsPart(app, elsewhere = () => null) {
  const head = h("h2", { class: "small-head", tabindex: "-1" }, words.friends);
  const after = () => elsewhere() ?? head;
  const incoming = incomingRequests(app, after);
  const outgoing = outgoingRequests(app, after);
  const list = h("ul", { class: "friends", "aria-label": words.friends });
  const rows = new Rows(list, (/** @type {Friend} */ friend) => friend.username, (friend) => friendRow(app, friend.username));
  const empty = h("p", { class: "quiet" }, words.none);
  const away = h("p", { class: "quiet away" });
  const below = foot(app);
  const root = h("div", { class: "people" }, head, away, list, empty, outgoing.root, below.root);
  return {
    root,
    incoming: incoming.root,
    /** @param {State} state */
    update(state) {
      incoming.update(state);
      rows.update(inOrder(state.friends ?? []));
      for (const [name, row] of rows.rows) attribute(/** @type {Element} */ (row.root.firstElementChild), "aria-current", state.route.name === name ? "page" : null);
      show(list, Boolean(state.friends?.length));
      show(empty, state.friends?.length === 0 && isReached(state));
      setText(away, awayText(state));
      show(away, away.textContent !== "");
      outgoing.update(state);
      below.update(state);
    },
    close() {
      incoming.close();
      outgoing.close();
      rows.close();
    },
  };
}

/** Sign out; while on air, from here or elsewhere, only after asking. @param {import("../state/app.js").App} app */
export function signOut(app) {
  if (app.broadcasting.facts.where === "off") return void app.logout();
  confirm(words.signOutTitle, words.signOutText, words.signOutYes, () => void app.logout());
}

/** @param {import("../state/app.js").App} app */
function ownEntry(app) {
  const name = h("span", { class: "who" });
  const mark = badge();
  const studio = link("/studio", { class: "person you" }, name, mark.root);
  const server = link("/admin", { hidden: true }, serverWords.link);
  const out = button(words.signOut, () => signOut(app), { class: "plain" });
  const ways = h("div", { class: "ways" }, link("/", {}, words.home), link("/studio", {}, words.studio), link("/library", {}, words.library), link("/settings", {}, words.settings), server, out);
  const root = h("nav", { "aria-label": words.you }, studio, ways);
  return {
    root,
    /** @param {State} state */
    update(state) {
      const me = state.me?.username ?? "";
      setText(name, me);
      show(server, Boolean(state.me?.owner));
      disable(!isReached(state), out);
      const { sign } = app.broadcasting.facts; // the studio's word, so that the two never differ
      const settled = sign === "live" || sign === "offline"; // only the server knows these two
      show(mark.root, !settled || (statusNow(state, me) !== undefined && isReached(state)));
      mark.update(sign === "live", sign === "live" ? words.streaming : broadcasting.signs[sign]);
      attribute(studio, "aria-current", state.route.page === "studio" ? "page" : null);
      for (const way of ways.querySelectorAll("a")) attribute(way, "aria-current", isHere(way.getAttribute("href"), state) ? "page" : null);
    },
  };
}

/** @param {string | null} path @param {State} state */
function isHere(path, { route }) {
  return path === (route.page === "home" ? "/" : `/${route.page}`);
}

/** @param {import("../state/app.js").App} app @param {string} name */
function friendRow(app, name) {
  const mark = badge();
  return {
    root: h("li", null, link(userPath(name), { class: "person" }, h("span", { class: "who" }, name), mark.root)),
    /** @param {Friend} now */
    update({ live }) {
      const { state } = app;
      const hears = statusNow(state, state.me?.username ?? "")?.listener_names?.includes(name);
      const away = live && statusNow(state, name)?.state === "parked";
      show(mark.root, isReached(state));
      mark.update(live && !away, away ? words.waiting : live ? words.streaming : hears ? words.hears : words.offline);
    },
  };
}

/** @param {import("../state/app.js").App} app */
export function inviteButton(app) {
  return button(words.invite, () => void app.attempt(async () => {
    const { url } = await api.invite();
    shareLink(words.invite, words.inviteText, url);
  }));
}

/** @param {import("../state/app.js").App} app */
function foot(app) {
  const input = h("input", { type: "search", name: "q", placeholder: words.name, "aria-label": words.find, autocapitalize: "none", autocomplete: "off" });
  const find = h("button", { type: "submit" }, words.search);
  const form = h("form", { role: "search", class: "row find", on: {
    submit: (event) => {
      event.preventDefault();
      app.go(`/search?q=${encodeURIComponent(input.value.trim())}`);
    },
  } }, input, find);
  const invite = inviteButton(app);
  return {
    root: h("div", { class: "foot" }, form, invite),
    /** @param {State} state */
    update: (state) => disable(!isReached(state), find, invite),
  };
}
