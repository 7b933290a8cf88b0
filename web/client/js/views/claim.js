/** The claim link's page for somebody who is signed in: make this account the owner of the server. */

import { api, asProblem } from "../server/api.js";
import { h, link, setText, show } from "../page/dom.js";
import { troubleText } from "../words/errors.js";
import { claim as words } from "../words/people.js";

/** @param {import("../state/app.js").App} app */
export function claimPage(app) {
  const { claim, me } = app.state;
  const lead = h("p", { class: "quiet" });
  const wrong = h("p", { class: "message wrong", role: "alert" });
  const go = h("button", { type: "button", class: "primary", on: { click: () => void attempt(own) } }, words.own);
  const away = link("/", { on: { click: () => app.storeClaim(null) } }, words.later);
  /** @param {() => Promise<void>} work */
  const attempt = async (work) => {
    setText(wrong, "");
    go.disabled = true;
    try {
      await work();
    } catch (error) {
      const problem = asProblem(error);
      setText(wrong, troubleText(problem.trouble()));
      if (problem.code === "bad_claim") {
        app.storeClaim(null);
        setText(lead, "");
        show(go, false);
        setText(away, words.home);
      }
    } finally {
      go.disabled = false;
    }
  };
  const look = async () => {
    await api.isClaim(claim ?? "");
    setText(lead, words.lead(me?.username ?? ""));
  };
  const own = async () => {
    await api.claim(claim ?? "");
    app.store.set({ me: await api.me() });
    app.guard();
  };
  void attempt(look);
  const root = h("div", { class: "entry" },
    h("img", { src: "/favicon.svg", alt: "", width: "72", height: "72" }),
    h("h1", { tabindex: "-1" }, words.title),
    lead, wrong, go, h("p", null, away));
  return { root, title: words.title, update: () => undefined, close: () => undefined };
}
