/** The door: log in, or make an account. */

import { api, asProblem } from "../server/api.js";
import { h, link, say } from "../page/dom.js";
import { troubleText } from "../page/messages.js";
import { field } from "./controls.js";

/** @param {import("../state/app.js").App} app @param {"login" | "register"} kind */
export function signIn(app, kind) {
  const fresh = kind === "register";
  let { claim } = app.state;
  const invite = new URLSearchParams(location.search).get("invite");
  const name = field("Username", { name: "username", autocomplete: "username", autocapitalize: "none", spellcheck: "false", required: true, minlength: "3", maxlength: "32" },
    fresh ? "3 to 32 letters, digits, or _ . -" : "");
  const password = field("Password", { name: "password", type: "password", autocomplete: fresh ? "new-password" : "current-password", required: true, minlength: fresh ? "8" : "1", maxlength: "128" },
    fresh ? "At least 8 characters." : "");
  const lead = h("p", { class: "quiet" });
  const wrong = h("p", { class: "message wrong", role: "alert" });
  const go = h("button", { type: "submit", class: "primary" }, fresh ? "Register" : "Log in");
  const form = h("form", { class: "entry-form", novalidate: true, on: {
    submit: (event) => {
      event.preventDefault();
      void submit();
    },
  } }, name.root, password.root, wrong, go);

  const submit = async () => {
    say(wrong, "");
    name.refuse(null);
    password.refuse(null);
    go.disabled = true;
    try {
      const username = name.input.value.trim();
      await (fresh ? api.register(username, password.input.value, invite, claim) : api.login(username, password.input.value));
      app.enter(await api.me());
    } catch (error) {
      const problem = asProblem(error);
      if (problem.code === "bad_claim") unclaim();
      name.refuse(problem.errors["username"] ?? null);
      password.refuse(problem.errors["password"] ?? null);
      if (!problem.errors["username"] && !problem.errors["password"]) say(wrong, troubleText(problem.trouble()));
      (problem.errors["password"] && !problem.errors["username"] ? password : name).input.focus();
    } finally {
      go.disabled = false;
    }
  };
  const ordinary = invite && fresh ? "A friend has invited you. With an account you hear each other at once." : "Talk, and your friends hear you. The noise stays behind.";
  const unclaim = () => {
    claim = null;
    app.keepClaim(null);
    say(lead, ordinary);
  };
  /** Nothing is promised before the server has said that it can be kept. */
  const look = async () => {
    try {
      await api.isClaim(claim ?? "");
      say(lead, fresh ? "You will own this server. Choose your name and password." : "Log in, and this server can be yours.");
    } catch (error) {
      const problem = asProblem(error);
      if (problem.code === "bad_claim") unclaim();
      say(wrong, troubleText(problem.trouble()));
    }
  };
  say(lead, claim ? "" : ordinary);
  if (claim) void look();
  const other = fresh ? link(`/login${location.search}`, {}, "I have an account") : link(`/register${location.search}`, {}, "Register");
  const root = h("div", { class: "entry" },
    h("img", { src: "/favicon.svg", alt: "", width: "72", height: "72" }),
    h("h1", { tabindex: "-1" }, fresh ? "Join Hushcast" : "Hushcast"),
    lead, form, h("p", null, fresh ? null : "No account yet? ", other));
  return { root, title: fresh ? "Register" : "Log in", update: () => undefined, close: () => undefined };
}
