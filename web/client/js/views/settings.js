/** The account's settings: colours, loudspeaker, shortcuts, password, and all that was handed out and can be revoked. */

import { api, asProblem } from "../server/api.js";
import { h, link, setText } from "../page/dom.js";
import { troubleText } from "../words/errors.js";
import { codes } from "../words/lost.js";
import { frame } from "../words/people.js";
import { ending, password as passwordWords, settings as words } from "../words/settings.js";
import { button, dialog, field, fieldError, segmented, toggle, uid } from "./controls.js";
import { blocked, invites, links, logins, tokens } from "./handed_out.js";
import { blocks, invites as inviteWords, links as linkWords, logins as loginWords, tokens as tokenWords } from "../words/settings.js";

/** @typedef {import("../state/app.js").App} App */
/** @typedef {"system" | "light" | "dark"} Theme */

/** @param {App} app */
export function settings(app) {
  const { preferences } = app;
  const theme = segmented(words.themes, /** @type {{value: Theme, label: string}[]} */ ([{ value: "system", label: words.system }, { value: "light", label: words.light }, { value: "dark", label: words.dark }]),
    (value) => preferences.set("theme", value));
  const keys = toggle(words.keys, (on) => preferences.set("keys", on));
  const speaker = speakerPart(app);
  return {
    root: h("div", { class: "settings" }, h("h1", { tabindex: "-1" }, words.title),
      part(words.appearance, "", theme.root), speaker.root,
      part(words.keyboard, words.keyboardHint, keys.root),
      h("section", { class: "topic", "aria-label": words.connection }, h("h2", null, words.connection), h("p", { class: "quiet" }, `${words.connectionHint} `, link("/doctor", {}, words.connectionTest))),
      part(inviteWords.title, inviteWords.hint, invites(app)), part(linkWords.title, linkWords.hint, links(app)), part(blocks.title, blocks.hint, blocked(app)),
      part(passwordWords.title, "", passwordForm(app)), part(codes.title, codes.hint, recoveryCodes()), part(loginWords.title, "", logins(app)), part(tokenWords.title, tokenWords.hint, tokens(app), h("p", { class: "quiet" }, link("/api", {}, tokenWords.reference))),
      part(ending.title, "", endAccount(app))),
    title: words.title,
    /** @param {import("../state/types.js").State} state */
    update(state) {
      theme.update(preferences.get("theme") ?? "system");
      keys.update(state.keys);
      speaker.update();
    },
    close: speaker.close,
  };
}

/** @param {string} title @param {string} hint @param {...Node} children */
export function part(title, hint, ...children) {
  return h("section", { class: "topic", "aria-label": title }, h("h2", null, title), hint ? h("p", { class: "quiet" }, hint) : null, ...children);
}

/** The choice of a loudspeaker, where the browser lets a page choose one. @param {App} app */
function speakerPart(app) {
  const { listening } = app;
  const id = uid("speaker");
  const note = h("p", { class: "quiet", role: "status" });
  const select = h("select", { id, on: { change: () => void choose() } });
  const root = h("section", { class: "topic", "aria-label": words.speaker, hidden: true }, h("h2", null, h("label", { for: id }, words.speaker)), h("p", { class: "quiet" }, words.speakerHint), select, note);
  const choose = async () => {
    try {
      await listening.setSpeaker(select.value);
      app.preferences.set("speaker", select.value || undefined);
      setText(note, "");
    } catch {
      app.preferences.set("speaker", undefined);
      setText(note, words.speakerGone);
    }
  };
  const update = () => {
    const wanted = app.preferences.get("speaker") ?? "";
    if (select.value !== wanted) select.value = wanted;
    if (select.selectedIndex < 0) select.value = "";
  };
  const list = async () => {
    const found = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    const named = found.filter((device) => device.kind === "audiooutput" && device.deviceId && device.deviceId !== "default");
    select.replaceChildren(h("option", { value: "" }, words.systemSpeaker), ...named.map((device, index) => h("option", { value: device.deviceId }, device.label || words.speakerNumber(index + 1))));
    setText(note, named.length ? "" : words.speakerUnnamed);
    update();
  };
  const heard = () => void list();
  if ("setSinkId" in HTMLMediaElement.prototype) {
    root.hidden = false;
    navigator.mediaDevices?.addEventListener("devicechange", heard);
    void list();
  }
  return { root, update, close: () => navigator.mediaDevices?.removeEventListener("devicechange", heard) };
}

/** @param {App} app */
function passwordForm(app) {
  const old = field(passwordWords.old, { type: "password", autocomplete: "current-password", required: true });
  const fresh = field(passwordWords.fresh, { type: "password", autocomplete: "new-password", required: true, minlength: "8", maxlength: "128" }, passwordWords.hint);
  const revoke = h("input", { type: "checkbox", checked: true });
  const wrong = h("p", { class: "message wrong", role: "alert" });
  const submit = async () => {
    old.explain(null);
    fresh.explain(null);
    setText(wrong, "");
    try {
      await api.password(old.input.value, fresh.input.value, revoke.checked);
      form.reset();
      app.toast({ text: passwordWords.changed });
    } catch (error) {
      const problem = asProblem(error);
      const isOld = problem.code === "bad_credentials";
      old.explain(isOld ? passwordWords.wrong : fieldError(problem, "old"));
      fresh.explain(fieldError(problem, "new"));
      if (isOld || problem.errors["old"]) old.input.focus();
      else if (problem.errors["new"]) fresh.input.focus();
      else setText(wrong, troubleText(problem.trouble()));
    }
  };
  const form = h("form", { on: {
    submit: (event) => {
      event.preventDefault();
      void submit();
    },
  } }, old.root, fresh.root, h("label", { class: "check" }, revoke, h("span", null, passwordWords.revoke)), wrong, h("button", { type: "submit", class: "strong" }, passwordWords.change));
  return form;
}

/** How many recovery codes are left, and a way to make new ones. */
function recoveryCodes() {
  const left = h("p", { class: "quiet", role: "status" });
  const look = () => void api.codesLeft().then((now) => setText(left, codes.left(now.left)), () => undefined);
  const open = () => withPassword(codes.ask, [h("p", null, codes.text)], codes.yes, "strong", async (password) => {
    const made = await api.makeCodes(password);
    look();
    return () => showCodes(made.codes);
  });
  look();
  return h("div", null, left, button(codes.make, open, { class: "strong" }));
}

/** @param {string[]} made */
function showCodes(made) {
  const copy = button(frame.copy, () => void navigator.clipboard?.writeText(made.join("\n")).then(() => setText(copy, frame.copied), () => undefined), { class: "strong" });
  const shown = dialog(codes.yours, h("p", null, codes.once), h("ul", { class: "codes" }, ...made.map((code) => h("li", null, h("kbd", null, code)))),
    h("div", { class: "row end" }, copy, button(frame.close, () => shown.close())));
}

/**
 * A dialog that asks for the password first.
 * @param {string} title @param {HTMLElement[]} text @param {string} yes @param {string} look class of the button
 * @param {(password: string) => Promise<() => void>} run gives what follows when the dialog is closed
 * @param {(problem: import("../server/api.js").Problem) => boolean} [explained] whether a field of `text` has said what is wrong
 */
function withPassword(title, text, yes, look, run, explained = () => false) {
  const password = field(ending.password, { type: "password", autocomplete: "current-password", required: true });
  const wrong = h("p", { class: "message wrong", role: "alert" });
  const go = h("button", { type: "submit", class: look }, yes);
  const submit = async () => {
    password.explain(null);
    setText(wrong, "");
    go.disabled = true;
    try {
      const then = await run(password.input.value);
      asked.close();
      then();
    } catch (error) {
      const problem = asProblem(error);
      if (explained(problem)) return;
      if (problem.code === "bad_credentials") password.explain(passwordWords.wrong);
      else setText(wrong, troubleText(problem.trouble()));
      password.input.focus();
    } finally {
      go.disabled = false;
    }
  };
  const form = h("form", { on: {
    submit: (event) => {
      event.preventDefault();
      void submit();
    },
  } }, ...text, password.root, wrong, h("div", { class: "row end" }, button(ending.keep, () => asked.close()), go));
  const asked = dialog(title, form);
}

/** @param {App} app */
function endAccount(app) {
  const open = () => {
    const owner = app.state.me?.owner;
    const next = field(ending.next, { autocapitalize: "none", autocomplete: "off", maxlength: "32" });
    /** @param {import("../server/api.js").Problem} problem */
    const explained = (problem) => {
      const why = owner ? fieldError(problem, "next_owner") ?? ending.refused[problem.code] ?? null : null;
      next.explain(why);
      if (why) next.input.focus();
      return why !== null;
    };
    withPassword(ending.ask, [h("p", null, ending.text), ...(owner ? [h("p", null, ending.owner), next.root] : [])], ending.yes, "danger", async (password) => {
      const name = next.input.value.trim();
      await (owner && name ? api.deleteOwner(password, name) : api.deleteAccount(password));
      return () => app.leave();
    }, explained);
  };
  return button(ending.open, open, { class: "danger" });
}
