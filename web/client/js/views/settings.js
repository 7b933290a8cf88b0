/** The account: password, where one is signed in, tokens, links, keys, the end. */

import { api } from "../server/api.js";
import { h, link, Rows, say, show } from "../page/dom.js";
import { day, minute } from "../page/format.js";
import { button, dialog, field, share, shareLink, toggle } from "./controls.js";

/** @typedef {{id: number, current?: boolean, created_at: string, seen_at?: string, address?: string, agent?: string}} Login */
/** @typedef {{id: number, name?: string, scopes?: string[], created_at: string, last_used_at?: string | null, expires_at?: string | null}} Key */

/** @param {import("../state/app.js").App} app */
export function settings(app) {
  const keys = toggle("Single keys", (on) => app.setKeys(on));
  return {
    root: h("div", { class: "settings" }, h("h1", { tabindex: "-1" }, "Settings"),
      part("Keyboard", h("p", { class: "quiet" }, "Space plays and listens, M mutes, D turns Denoise. Press ? to see them all."), keys.root),
      part("Connection", h("p", { class: "quiet" }, "Sound does not get through? ", link("/doctor", {}, "Test it from here"), ".")),
      part("Password", passwordForm(app)), part("Signed in", logins(app)),
      part("Listen links", h("p", { class: "quiet" }, "Whoever has such a link hears you live, without an account."), links(app)),
      part("Tokens", h("p", { class: "quiet" }, "For other programs: OBS or FFmpeg publish with one."), tokens(app)),
      part("End", endAccount(app))),
    title: "Settings",
    /** @param {import("../state/types.js").State} state */
    update: (state) => keys.update(state.keys),
    close: () => undefined,
  };
}

/** @param {string} title @param {...Node} children */
function part(title, ...children) {
  return h("section", { class: "topic", "aria-label": title }, h("h2", null, title), ...children);
}

/** @param {import("../state/app.js").App} app */
function passwordForm(app) {
  const old = field("Password now", { type: "password", autocomplete: "current-password", required: true });
  const fresh = field("New password", { type: "password", autocomplete: "new-password", required: true, minlength: "8", maxlength: "128" }, "At least 8 characters. All other browsers are signed out, and companion devices.");
  const revoke = h("input", { type: "checkbox", checked: true });
  const form = h("form", { on: {
    submit: (event) => {
      event.preventDefault();
      void app.attempt(async () => {
        await api.password(old.input.value, fresh.input.value, revoke.checked);
        form.reset();
        app.toast({ text: "The password is changed. All other browsers are signed out." });
      });
    },
  } }, old.root, fresh.root, h("label", { class: "check" }, revoke, h("span", null, "Also revoke tokens and links")), h("button", { type: "submit", class: "strong" }, "Change the password"));
  return form;
}

/**
 * A list out of the server, each row with one button that takes it away.
 * @template {{id: number}} T
 * @param {import("../state/app.js").App} app @param {() => Promise<T[]>} load @param {(item: T) => string} text @param {string} verb @param {(item: T) => Promise<unknown>} away @param {string} none
 */
function removable(app, load, text, verb, away, none) {
  const list = h("ul", { class: "plain-list" });
  const empty = h("p", { class: "quiet" }, none);
  const rows = new Rows(list, (/** @type {T} */ item) => String(item.id), (item) => ({
    root: h("li", { class: "row between" }, h("span", null, text(item)), button(verb, () => void app.attempt(async () => {
      await away(item);
      await refresh();
    }), { "aria-label": `${verb}: ${text(item)}` })),
    update: () => undefined,
  }));
  const refresh = async () => {
    const items = await load().catch(() => []);
    rows.update(items);
    show(empty, !items.length);
  };
  show(empty, false);
  void refresh();
  return { root: h("div", null, list, empty), refresh };
}

/** @param {string} at */
function when(at) {
  return `${day(at)}, ${minute(at)}`;
}

/** "Firefox" out of a user agent, roughly. @param {string} agent */
export function browserName(agent) {
  return agent.match(/(Firefox|Edg|OPR|Chrome|Safari)/)?.[1]?.replace("Edg", "Edge").replace("OPR", "Opera") ?? (agent.slice(0, 24) || "Unknown program");
}

/** @param {import("../state/app.js").App} app */
function logins(app) {
  return removable(app, /** @type {() => Promise<Login[]>} */ (api.sessions),
    (login) => [login.current ? "This browser" : browserName(login.agent ?? ""), login.address, `since ${when(login.created_at)}`].filter(Boolean).join(", "), "Sign out",
    async (login) => {
      await api.endSession(login.id);
      if (login.current) app.leave();
    }, "").root;
}

/** @param {import("../state/app.js").App} app */
function tokens(app) {
  const name = field("Name of the program", { required: true, maxlength: "60", autocomplete: "off" });
  const scopes = ["publish", "listen", "metrics"].map((scope) => h("input", { type: "checkbox", name: scope, checked: scope === "publish" }));
  const list = removable(app, /** @type {() => Promise<Key[]>} */ (api.tokens), (token) => `${token.name} (${(token.scopes ?? []).join(", ")})`, "Revoke", (token) => api.dropToken(token.id), "No tokens.");
  const form = h("form", { on: {
    submit: (event) => {
      event.preventDefault();
      void app.attempt(async () => {
        const { token } = await api.makeToken(name.input.value.trim(), scopes.filter((box) => box.checked).map((box) => box.name));
        share("Your new token", "It is shown only now. Keep it like a password.", token);
        form.reset();
        await list.refresh();
      });
    },
  } }, name.root, h("fieldset", { class: "row scopes" }, h("legend", null, "It may"), ...scopes.map((box) => h("label", { class: "check" }, box, h("span", null, box.name)))), h("button", { type: "submit", class: "strong" }, "Make a token"));
  return h("div", null, list.root, form);
}

/** @param {import("../state/app.js").App} app */
function links(app) {
  const list = removable(app, /** @type {() => Promise<Key[]>} */ (api.listenLinks), (link) => `Made ${when(link.created_at)}${link.expires_at ? `, good until ${when(link.expires_at)}` : ""}`, "Revoke", (link) => api.dropListenLink(link.id), "No links.");
  const make = button("Make a listen link", () => void app.attempt(async () => {
    const { url } = await api.makeListenLink();
    shareLink("Your listen link", "Whoever opens it hears you whenever you are live, until you revoke it.", url);
    await list.refresh();
  }), { class: "strong" });
  return h("div", null, list.root, make);
}

/** @param {import("../state/app.js").App} app */
function endAccount(app) {
  const open = () => {
    const password = field("Password", { type: "password", autocomplete: "current-password", required: true });
    const wrong = h("p", { class: "message wrong", role: "alert" });
    const form = h("form", { on: {
      submit: (event) => {
        event.preventDefault();
        api.leave(password.input.value).then(() => {
          asked.close();
          app.leave();
        }, (error) => say(wrong, error.message));
      },
    } }, h("p", null, "Your account, your friendships and all your recordings are deleted. There is no way back."),
    app.state.me?.owner ? h("p", null, "You own this server. Nobody will own it then, until somebody opens the link that its next start prints.") : null, password.root, wrong,
    h("div", { class: "row end" }, button("Keep my account", () => asked.close()), h("button", { type: "submit", class: "danger" }, "Delete everything")));
    const asked = dialog("Delete your account?", form);
  };
  return button("Delete my account", open, { class: "danger" });
}
