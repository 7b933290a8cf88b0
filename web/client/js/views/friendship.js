/** The part of another user's page that makes and ends friendship. */

import { api } from "../server/api.js";
import { disable, h, setText, show } from "../page/dom.js";
import { isReached } from "../state/reached.js";
import { listening as words } from "../words/listening.js";
import { button, confirm } from "./controls.js";

/** @param {import("../state/app.js").App} app @param {string} name @param {() => void} again */
export function strangerPart(app, name, again) {
  const text = h("p", null);
  const ask = button(words.ask, () => void app.attempt(async () => {
    await api.requestFriend(name);
    await app.refreshPeople();
    again();
  }), { class: "primary" });
  const accept = button(words.accept, () => void app.attempt(async () => {
    const asked = app.state.requests.incoming.find((request) => request.username === name);
    if (asked) await api.respond(asked.id, "accept");
    await app.refreshPeople();
    again();
  }), { class: "primary" });
  const unblock = button(words.unblock, () => void app.attempt(async () => {
    await api.unblock(name);
    again();
  }));
  const root = h("section", { class: "stranger", "aria-label": "Friendship" }, text, ask, accept, unblock);
  return {
    root,
    /** @param {string} relation */
    update(relation) {
      const sentence = words.relation[relation]?.(name);
      show(root, sentence !== undefined);
      setText(text, sentence ?? "");
      show(ask, relation === "none");
      show(accept, relation === "incoming");
      show(unblock, relation === "blocked");
      disable(!isReached(app.state), ask, accept, unblock);
    },
  };
}

/** @param {import("../state/app.js").App} app @param {string} name */
export function friendEnds(app, name) {
  const remove = button(words.remove, () => confirm(words.removeAsked(name), words.removeMeans, words.removeYes, () => void app.attempt(async () => {
    app.stopListening();
    await api.unfriend(name);
    await app.refreshPeople();
  })), { class: "plain" });
  const block = button(words.block, () => confirm(words.blockAsked(name), words.blockMeans(name), words.blockYes, () => void app.attempt(async () => {
    app.stopListening();
    await api.block(name);
    await app.refreshPeople();
  })), { class: "plain" });
  return {
    root: h("footer", { class: "row ends" }, remove, block),
    /** @param {boolean} visible */
    update(visible) {
      show(this.root, visible);
      disable(!isReached(app.state), remove, block);
    },
  };
}
