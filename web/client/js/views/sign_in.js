/** The sign-in page: log in, or register. */

import { api, asProblem } from "../server/api.js";
import { h, link, setText } from "../page/dom.js";
import { errors, troubleText } from "../words/errors.js";
import { invite as inviting, signing as words } from "../words/people.js";
import { lost } from "../words/lost.js";
import { field, fieldError } from "./controls.js";

/** @param {import("../state/app.js").App} app @param {"login" | "register"} kind */
export function signIn(app, kind) {
  const fresh = kind === "register";
  let { claim } = app.state;
  const invite = new URLSearchParams(location.search).get("invite");
  const name = field(words.username, { name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true, minlength: "3", maxlength: "32" },
    fresh ? words.usernameHint : "");
  const password = field(words.password, { name: "password", type: "password", autocomplete: fresh ? "new-password" : "current-password", required: true, minlength: fresh ? "8" : "1", maxlength: "128" },
    fresh ? words.passwordHint : "");
  const lead = h("p", { class: "quiet" });
  const wrong = h("p", { class: "message wrong", role: "alert" });
  const go = h("button", { type: "submit", class: "primary" }, fresh ? words.register : words.logIn);
  const form = h("form", { class: "entry-form", novalidate: true, on: {
    submit: (event) => {
      event.preventDefault();
      void submit();
    },
  } }, name.root, password.root, wrong, go);

  const submit = async () => {
    setText(wrong, "");
    name.explain(null);
    password.explain(null);
    const missing = [name, password].filter(({ input }) => !input.value.trim());
    for (const each of missing) each.explain(errors.empty);
    if (missing[0]) return missing[0].input.focus();
    go.disabled = true;
    try {
      const username = name.input.value.trim();
      await (fresh ? api.register(username, password.input.value, invite, claim) : api.login(username, password.input.value));
      app.enter(await api.me());
      if (fresh && invite) app.go("/", true); // they are friends already
    } catch (error) {
      const problem = asProblem(error);
      if (problem.code === "bad_claim") unclaim();
      const taken = problem.code === "username_taken" ? troubleText(problem.trouble()) : null;
      name.explain(taken ?? fieldError(problem, "username"));
      password.explain(fieldError(problem, "password"));
      if (!taken && !problem.errors["username"] && !problem.errors["password"]) setText(wrong, troubleText(problem.trouble()));
      (problem.errors["password"] && !problem.errors["username"] ? password : name).input.focus();
    } finally {
      go.disabled = false;
    }
  };
  let ordinary = words.lead;
  /** Ask who has made the invite, and whether it can still be used. */
  const whose = async () => {
    try {
      ordinary = words.invited((await api.inviter(invite ?? "")).username, fresh);
      if (!claim) setText(lead, ordinary);
    } catch (error) {
      const problem = asProblem(error);
      setText(wrong, problem.code === "not_found" ? inviting.bad : troubleText(problem.trouble()));
    }
  };
  const unclaim = () => {
    claim = null;
    app.storeClaim(null);
    setText(lead, ordinary);
  };
  /** Ask the server whether the claim is valid, before the page promises ownership. */
  const look = async () => {
    try {
      await api.isClaim(claim ?? "");
      setText(lead, fresh ? words.own : words.ownLater);
    } catch (error) {
      const problem = asProblem(error);
      if (problem.code === "bad_claim") unclaim();
      setText(wrong, troubleText(problem.trouble()));
    }
  };
  setText(lead, claim || invite ? "" : ordinary);
  if (invite) void whose();
  if (claim) void look();
  const other = fresh ? link(`/login${location.search}`, {}, words.have) : link(`/register${location.search}`, {}, words.register);
  const root = h("div", { class: "entry" },
    h("img", { src: "/favicon.svg", alt: "", width: "72", height: "72" }),
    h("h1", { tabindex: "-1" }, fresh ? words.join : words.house),
    lead, form, h("p", null, fresh ? null : `${words.noAccount} `, other), fresh ? null : h("p", null, link("/recover", {}, lost.recover)));
  return { root, title: fresh ? words.register : words.logIn, update: () => undefined, close: () => undefined };
}
