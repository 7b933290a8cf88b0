/** Ways back in without the password: the page of a reset link, and the form for a recovery code. */

import { api, asProblem } from "../server/api.js";
import { h, link, setText, show } from "../page/dom.js";
import { errors, troubleText } from "../words/errors.js";
import { lost as words } from "../words/lost.js";
import { signing } from "../words/people.js";
import { field, fieldError } from "./controls.js";

/** @typedef {import("../state/app.js").App} App */

/**
 * Both pages: a form that is sent, and says what is wrong with it.
 * @param {{title: string, lead: Node, fields: ReturnType<typeof field>[], send: () => Promise<void>, refused: (problem: import("../server/api.js").Problem) => string | null}} of
 */
function entry({ title, lead, fields, send, refused }) {
  const wrong = h("p", { class: "message wrong", role: "alert" });
  const go = h("button", { type: "submit", class: "primary" }, words.set);
  const submit = async () => {
    setText(wrong, "");
    for (const each of fields) each.explain(each.input.value.trim() ? null : errors.empty);
    const missing = fields.find(({ input }) => !input.value.trim());
    if (missing) return missing.input.focus();
    go.disabled = true;
    try {
      await send();
    } catch (error) {
      const problem = asProblem(error);
      for (const each of fields) each.explain(fieldError(problem, each.input.name));
      if (!Object.keys(problem.errors).length) setText(wrong, refused(problem) ?? troubleText(problem.trouble()));
      (fields.find(({ input }) => problem.errors[input.name]) ?? fields[0])?.input.focus();
    } finally {
      go.disabled = false;
    }
  };
  const form = h("form", { class: "entry-form", novalidate: true, on: {
    submit: (event) => {
      event.preventDefault();
      void submit();
    },
  } }, ...fields.map(({ root }) => root), wrong, go);
  const root = h("div", { class: "entry" }, h("img", { src: "/favicon.svg", alt: "", width: "72", height: "72" }), h("h1", { tabindex: "-1" }, title), lead, form, h("p", null, link("/login", {}, words.back)));
  return { root, form, wrong, title, update: () => undefined, close: () => undefined };
}

const fresh = () => field(words.fresh, { name: "password", type: "password", autocomplete: "new-password", required: true, minlength: "8", maxlength: "128" }, words.hint);

/** @param {App} app */
export function resetPage(app) {
  const token = location.hash.slice(1);
  const password = fresh();
  const lead = h("p", { class: "quiet" });
  /** @param {import("../server/api.js").Problem} problem */
  const refused = (problem) => (problem.status === 404 ? words.bad : null);
  const page = entry({ title: words.title, lead, fields: [password], refused, send: async () => {
    const { username } = await api.reset(token, password.input.value);
    if (app.state.me?.username === username) app.leave();
    else app.go(app.state.me ? "/" : "/login"); // somebody else stays signed in
    app.toast({ text: words.done });
  } });
  api.resetOf(token).then(({ username }) => setText(lead, words.lead(username)), (error) => {
    const problem = asProblem(error);
    show(page.form, problem.status !== 404);
    setText(problem.status === 404 ? lead : page.wrong, refused(problem) ?? troubleText(problem.trouble()));
  });
  return page;
}

/** @param {App} app */
export function recoverPage(app) {
  const name = field(signing.username, { name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true });
  const code = field(words.code, { name: "code", autocomplete: "off", autocapitalize: "none", spellcheck: "false", required: true });
  const password = fresh();
  return entry({
    title: words.recover, lead: h("p"), fields: [name, code, password],
    refused: (problem) => (problem.code === "bad_credentials" ? words.wrong : null),
    send: async () => {
      await api.recover(name.input.value.trim(), code.input.value, password.input.value);
      app.enter(await api.me());
      app.go("/", true);
    },
  });
}
