/** A listen link's page: somebody's broadcast, without an account, also before it begins and after it has ended. */

import { asProblem, request } from "../server/api.js";
import { h, setText, show } from "../page/dom.js";
import { listening as words } from "../words/listening.js";
import { listen } from "./listen.js";

const RETRY_AFTER_MS = 2000;

/** @param {import("../state/app.js").App} app @param {string} token */
export function listenLink(app, token) {
  const note = h("p", { class: "message" }, words.linkLooking);
  const root = h("div", { class: "link-page" }, note);
  /** @type {ReturnType<typeof listen> | null} */
  let inside = null;
  let name = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let closed = false;
  /** @param {string} text */
  const say = (text) => {
    if (note.textContent !== text) app.announce(text);
    setText(note, text);
    show(note, text !== "");
  };
  /** The link is not good, or no longer. */
  const end = () => {
    clearTimeout(timer);
    app.stopListening();
    inside?.root.remove();
    inside?.close();
    inside = null;
    say(words.linkEnded);
  };
  const look = async () => {
    try {
      const who = await (await request("/api/listen-link", { headers: { Authorization: `Bearer ${token}` } })).json();
      if (closed) return;
      name = who.username;
      app.listening.refused.delete(name); // by an earlier link
      inside = listen(app, name, token);
      root.append(inside.root);
      inside.update(app.state);
      show(note, false);
    } catch (error) {
      if (closed) return;
      const { status } = asProblem(error);
      if (status >= 400 && status < 429) return end();
      say(words.linkUnreachable);
      timer = setTimeout(() => void look(), RETRY_AFTER_MS);
    }
  };
  void look();
  return {
    root,
    title: words.linkTitle,
    /** @param {import("../state/types.js").State} state */
    update(state) {
      if (inside && app.listening.refused.has(name)) return end();
      inside?.update(state);
    },
    close() {
      closed = true;
      clearTimeout(timer);
      inside?.close();
      app.stopListening();
    },
  };
}
