/** For who is signed in and has opened the claim link: shall this account own the server? */

import { api, asProblem } from "../server/api.js";
import { h, link, say, show } from "../page/dom.js";
import { troubleText } from "../page/messages.js";

/** @param {import("../state/app.js").App} app */
export function claimPage(app) {
  const { claim, me } = app.state;
  const lead = h("p", { class: "quiet" });
  const wrong = h("p", { class: "message wrong", role: "alert" });
  const go = h("button", { type: "button", class: "primary", on: { click: () => void attempt(own) } }, "Make this account the owner");
  const away = link("/", { on: { click: () => app.keepClaim(null) } }, "Not now");
  /** @param {() => Promise<void>} work */
  const attempt = async (work) => {
    say(wrong, "");
    go.disabled = true;
    try {
      await work();
    } catch (error) {
      const problem = asProblem(error);
      say(wrong, troubleText(problem.trouble()));
      if (problem.code === "bad_claim") {
        app.keepClaim(null);
        say(lead, "");
        show(go, false);
        say(away, "Go to your page");
      }
    } finally {
      go.disabled = false;
    }
  };
  const look = async () => {
    await api.isClaim(claim ?? "");
    say(lead, `Nobody owns this server yet. You are signed in as ${me?.username ?? ""}.`);
  };
  const own = async () => {
    await api.claim(claim ?? "");
    app.store.set({ me: await api.me() });
    app.guard();
  };
  void attempt(look);
  const root = h("div", { class: "entry" },
    h("img", { src: "/favicon.svg", alt: "", width: "72", height: "72" }),
    h("h1", { tabindex: "-1" }, "Own this server"),
    lead, wrong, go, h("p", null, away));
  return { root, title: "Own this server", update: () => undefined, close: () => undefined };
}
