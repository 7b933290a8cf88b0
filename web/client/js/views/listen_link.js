/** A listen link: somebody's live broadcast for whoever has the link, without an account. */

import { Problem, request } from "../server/api.js";
import { h, say, show } from "../page/dom.js";
import { listen } from "./listen.js";

const LOOK_AGAIN_MS = 5000;

/** @param {import("../state/app.js").App} app @param {string} token */
export function listenLink(app, token) {
  const note = h("p", { class: "message" }, "Looking who it is.");
  const root = h("div", { class: "link-page" }, note);
  /** @type {ReturnType<typeof listen> | null} */
  let inside = null;
  const known = { live: false };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let closed = false;
  const look = async () => {
    try {
      const who = await (await request("/api/listen-link", { headers: { Authorization: `Bearer ${token}` } })).json();
      if (closed) return;
      known.live = who.live;
      if (!inside) {
        inside = listen(app, who.username, token, known);
        root.append(inside.root);
      }
      inside.update(app.state);
      const heard = app.state.ear.phase !== "off";
      say(note, heard ? "" : who.live ? `${who.username} is on air${who.title ? `: ${who.title}` : ""}.` : `${who.username} is quiet now. This page looks again by itself.`);
      show(note, !heard);
    } catch (error) {
      say(note, error instanceof Problem && error.status === 0 ? "The server does not answer. Trying again." : "This link is not good, or no longer. Ask for a new one.");
      if (error instanceof Problem && error.status !== 0) return;
    }
    if (!closed) timer = setTimeout(() => void look(), LOOK_AGAIN_MS);
  };
  void look();
  return {
    root,
    title: "Listen",
    /** @param {import("../state/types.js").State} state */
    update(state) {
      inside?.update(state);
      if (inside) show(note, state.ear.phase === "off");
    },
    close() {
      closed = true;
      clearTimeout(timer);
      inside?.close();
      app.stopListening();
    },
  };
}
