/** What the account has handed out and can take back: logins, tokens, invites, listen links; and whom it has blocked. */

import { api, asProblem } from "../server/api.js";
import { h, Rows, setText, show } from "../page/dom.js";
import { day, minute } from "../page/format.js";
import { troubleText } from "../words/errors.js";
import { people } from "../words/people.js";
import { blocks, invites as inviteWords, links as linkWords, lists, logins as loginWords, tokens as tokenWords } from "../words/settings.js";
import { button, field, fieldError, share, shareLink } from "./controls.js";

/** @typedef {import("../state/app.js").App} App */
/** @typedef {{id: number, current?: boolean, created_at: string, seen_at?: string, address?: string, agent?: string}} Login */
/** @typedef {{id: number, name?: string, scopes?: string[], created_at: string, last_used_at?: string | null}} Token */
/** @typedef {{id: number, url: string | null, created_at: string, expires_at: string | null}} ListenLink */
/** @typedef {ListenLink & {uses: number | null, used: number}} Invite */

/**
 * A list loaded from the server; each row has a button that takes it back, and perhaps others.
 * @template T
 * @typedef {object} Taken
 * @property {() => Promise<T[]>} load
 * @property {(item: T) => string} key
 * @property {(item: T) => string} text
 * @property {string} verb
 * @property {(item: T) => Promise<unknown>} away
 * @property {string} none
 * @property {(item: T) => Node | null} [more]
 */

/** @template T @param {App} app @param {Taken<T>} of */
function removable(app, { load, key, text, verb, away, none, more }) {
  const list = h("ul", { class: "plain-list" });
  const empty = h("p", { class: "quiet", tabindex: "-1" }, none);
  const rows = new Rows(list, key, (item) => ({
    root: h("li", { class: "row between" }, h("span", { class: "what" }, text(item)), h("div", { class: "row" }, more?.(item), button(verb, () => void take(item), { "aria-label": lists.act(verb, text(item)) }))),
    update: () => undefined,
  }));
  /** @param {T} item */
  const take = async (item) => {
    const at = [...rows.rows.keys()].indexOf(key(item));
    await app.attempt(() => away(item));
    await refresh();
    if (document.activeElement !== document.body) return;
    const next = list.children[Math.min(at, list.children.length - 1)]?.querySelector("button:last-child");
    (next instanceof HTMLElement ? next : empty).focus(); // the button that had the focus is gone
  };
  const refresh = async () => {
    try {
      const items = await load();
      rows.update(items);
      setText(empty, none);
      show(empty, !items.length);
    } catch {
      setText(empty, lists.lost);
      show(empty, true);
    }
  };
  show(empty, false);
  void refresh();
  return { root: h("div", null, list, empty), refresh };
}

/** @param {string} at */
function when(at) {
  return lists.when(day(at), minute(at));
}

/** @param {{id: number}} item */
const idOf = (item) => String(item.id);

/** The browser's name, guessed from a user agent. @param {string} agent */
export function browserName(agent) {
  return agent.match(/(Firefox|Edg|OPR|Chrome|Safari)/)?.[1]?.replace("Edg", "Edge").replace("OPR", "Opera") ?? (agent.slice(0, 24) || loginWords.unknown);
}

/** @param {App} app */
export function logins(app) {
  return removable(app, {
    load: /** @type {() => Promise<Login[]>} */ (api.sessions), key: idOf, verb: loginWords.end, none: "",
    text: (login) => loginWords.row(login.current ? loginWords.here : browserName(login.agent ?? ""), login.address ?? "", when(login.created_at)),
    away: async (login) => {
      await api.endSession(login.id);
      if (login.current) app.leave();
    },
  }).root;
}

/** @param {App} app */
export function tokens(app) {
  const name = field(tokenWords.name, { required: true, maxlength: "60", autocomplete: "off" });
  const wrong = h("p", { class: "message wrong", role: "alert" });
  const scopes = Object.entries(tokenWords.scopes).map(([scope, label]) => ({ scope, label, box: h("input", { type: "checkbox", name: scope, checked: scope === "publish" }) }));
  const list = removable(app, {
    load: /** @type {() => Promise<Token[]>} */ (api.tokens), key: idOf, verb: lists.revoke, none: tokenWords.none,
    text: (token) => tokenWords.row(token.name ?? "", token.scopes ?? []), away: (token) => api.dropToken(token.id),
  });
  const submit = async () => {
    name.explain(null);
    setText(wrong, "");
    try {
      const { token } = await api.makeToken(name.input.value.trim(), scopes.filter(({ box }) => box.checked).map(({ scope }) => scope));
      share(tokenWords.yours, tokenWords.once, token);
      form.reset();
      await list.refresh();
    } catch (error) {
      const problem = asProblem(error);
      name.explain(fieldError(problem, "name"));
      if (problem.errors["name"]) name.input.focus();
      else setText(wrong, problem.errors["scopes"] ? tokenWords.noScope : troubleText(problem.trouble()));
    }
  };
  const form = h("form", { on: {
    submit: (event) => {
      event.preventDefault();
      void submit();
    },
  } }, name.root, h("fieldset", { class: "row scopes" }, h("legend", null, tokenWords.may), ...scopes.map(({ box, label }) => h("label", { class: "check" }, box, h("span", null, label)))), wrong,
  h("button", { type: "submit", class: "strong" }, tokenWords.make));
  return h("div", null, list.root, form);
}

/** A button that shows a link again; null for those of older versions, whose address nobody knows any more. @param {string} title @param {string} sentence @param {string | null} url @param {string} what */
function again(title, sentence, url, what) {
  return url ? button(lists.address, () => shareLink(title, sentence, url), { class: "plain", "aria-label": lists.act(lists.address, what) }) : null;
}

/** @param {App} app */
export function links(app) {
  /** @param {ListenLink} link */
  const text = (link) => linkWords.row(when(link.created_at), link.expires_at && when(link.expires_at));
  const list = removable(app, {
    load: /** @type {() => Promise<ListenLink[]>} */ (api.listenLinks), key: idOf, verb: lists.revoke, none: linkWords.none, text,
    away: (link) => api.dropListenLink(link.id), more: (link) => again(linkWords.yours, linkWords.text, link.url, text(link)),
  });
  const make = button(linkWords.make, () => void app.attempt(async () => {
    const { url } = await api.makeListenLink();
    shareLink(linkWords.yours, linkWords.text, url);
    await list.refresh();
  }), { class: "strong" });
  return h("div", null, list.root, make);
}

/** @param {App} app */
export function invites(app) {
  /** @param {Invite} invite */
  const text = (invite) => inviteWords.row({ made: when(invite.created_at), used: invite.used, uses: invite.uses, until: invite.expires_at && when(invite.expires_at) });
  const list = removable(app, {
    load: /** @type {() => Promise<Invite[]>} */ (api.invites), key: (invite) => `${invite.id} ${invite.used}`, verb: lists.revoke, none: inviteWords.none, text,
    away: (invite) => api.dropInvite(invite.id), more: (invite) => again(inviteWords.yours, people.inviteText, invite.url, text(invite)),
  });
  const make = button(inviteWords.make, () => void app.attempt(async () => {
    const { url } = await api.invite();
    shareLink(inviteWords.yours, people.inviteText, url);
    await list.refresh();
  }), { class: "strong" });
  return h("div", null, list.root, make);
}

/** @param {App} app */
export function blocked(app) {
  return removable(app, {
    load: api.blocks, key: (name) => name, verb: blocks.unblock, none: blocks.none, text: (name) => name, away: (name) => api.unblock(name),
  }).root;
}
