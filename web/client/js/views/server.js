/** The owner's page. Its parts are in a file of their own, which only an owner's browser loads. */

import { h, setText } from "../page/dom.js";
import { metaContent } from "../page/links.js";
import { isReached } from "../state/reached.js";
import { errors, troubleText } from "../words/errors.js";
import { serverWords as words } from "../words/lost.js";
import { kit } from "./kit.js";

/** The interval at which what is shown is asked for again. */
const EVERY_MS = 15_000;

/** @param {import("../state/app.js").App} app */
export function serverPage(app) {
  const note = h("p", { class: "message", role: "status" });
  const root = h("div", { class: "settings" }, h("h1", { tabindex: "-1" }, words.title), note);
  /** @type {{parts: HTMLElement[], look: () => void, close: () => void} | null} */
  let loaded = null;
  let isOpen = true, isLoading = false, reached = isReached(app.state);
  let failed = 0;
  const load = async () => {
    if (isLoading) return;
    isLoading = true;
    const file = metaContent("admin") || "./admin.js";
    try {
      const { admin } = await import(failed ? `${file}?again=${failed}` : file); // some browsers do not fetch a module anew that has failed
      if (!isOpen) return;
      loaded = admin(app, kit);
      note.replaceWith(...(loaded?.parts ?? []));
    } catch {
      failed += 1;
      say();
    } finally {
      isLoading = false;
    }
  };
  const say = () => setText(note, !failed ? "" : reached ? troubleText({ code: "failed", detail: "" }) : errors.away);
  const again = () => (loaded ? loaded.look() : void load());
  const timer = setInterval(() => reached && !document.hidden && again(), EVERY_MS);
  void load();
  return {
    root,
    title: words.title,
    /** @param {import("../state/types.js").State} state */
    update(state) {
      const isBack = isReached(state) && !reached;
      reached = isReached(state);
      say();
      if (isBack) again();
    },
    close() {
      isOpen = false;
      clearInterval(timer);
      loaded?.close();
    },
  };
}
