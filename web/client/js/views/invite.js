/** An invite's page for somebody who is signed in: become friends with who has made it. */

import { api, asProblem } from "../server/api.js";
import { attribute, h, link, setText, show } from "../page/dom.js";
import { userPath } from "../state/route.js";
import { troubleText } from "../words/errors.js";
import { invite as words } from "../words/people.js";
import { button } from "./controls.js";

/** @type {Record<string, (name: string) => string>} answers after which there is nothing more to do here */
const OVER = { not_found: () => words.bad, own_invite: () => words.own, already_friends: words.friends };

/** @param {import("../state/app.js").App} app @param {string} code */
export function invitePage(app, code) {
  const me = app.state.me?.username ?? "";
  const head = h("h1", { tabindex: "-1" }, words.title);
  const text = h("p", { class: "quiet", role: "status" }, words.looking);
  const wrong = h("p", { class: "message wrong", role: "alert" });
  const go = button("", () => void attempt(accept), { class: "primary", hidden: true });
  const away = link("/", {}, words.later);
  let name = "";
  /** @param {() => Promise<void>} work */
  const attempt = async (work) => {
    setText(wrong, "");
    go.disabled = true;
    try {
      await work();
    } catch (error) {
      const problem = asProblem(error);
      const over = OVER[problem.code];
      if (over) finish(over(name));
      else setText(wrong, troubleText(problem.trouble()));
    } finally {
      go.disabled = false;
    }
  };
  /** @param {string} said */
  const finish = (said) => {
    setText(text, said);
    show(go, false);
    setText(away, name && name !== me ? name : words.home);
    attribute(away, "href", name && name !== me ? userPath(name) : "/");
    if (document.activeElement === document.body) away.focus();
  };
  const look = async () => {
    name = (await api.inviter(code)).username;
    if (name === me) return finish(words.own);
    if (app.state.friends?.some((friend) => friend.username === name)) return finish(words.friends(name));
    setText(head, words.heading(name));
    setText(text, words.text(name, me));
    setText(go, words.accept(name));
    show(go, true);
  };
  const accept = async () => {
    await api.acceptInvite(code);
    await app.refreshPeople();
    app.toast({ text: words.accepted(name) });
    app.go(userPath(name), true);
  };
  void attempt(look);
  return {
    root: h("div", { class: "entry" }, h("img", { src: "/favicon.svg", alt: "", width: "72", height: "72" }), head, text, wrong, go, h("p", null, away)),
    title: words.title,
    /** @param {import("../state/types.js").State} state */
    update({ friends }) {
      if (!go.hidden && friends?.some((friend) => friend.username === name)) finish(words.friends(name));
    },
    close: () => undefined,
  };
}
