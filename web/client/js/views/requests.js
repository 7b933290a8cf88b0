/** Friend requests: those that wait for an answer, and the user's own, which can be withdrawn. */

import { api } from "../server/api.js";
import { disable, h, link, Rows, show } from "../page/dom.js";
import { isReached } from "../state/reached.js";
import { userPath } from "../state/route.js";
import { requests as words } from "../words/people.js";
import { button } from "./controls.js";

/** @typedef {import("../state/types.js").FriendRequest} FriendRequest */
/** @typedef {import("../state/types.js").State} State */

/**
 * Do something about a request, say what happened, and move the focus there if the button that had it is gone.
 * @param {import("../state/app.js").App} app @param {() => Promise<unknown>} work @param {string} said @param {() => HTMLElement | null} after
 */
export async function act(app, work, said, after) {
  const done = await app.attempt(work);
  await app.refreshPeople();
  if (done) app.announce(said);
  if (!document.activeElement || document.activeElement === document.body) after()?.focus();
}

/** @param {import("../state/app.js").App} app @param {() => HTMLElement | null} after where the focus goes when a request is answered */
export function incomingRequests(app, after) {
  const list = h("ul", { class: "requests", "aria-label": words.label });
  const rows = new Rows(list, (/** @type {FriendRequest} */ request) => String(request.id), ({ id, username }) => {
    /** @param {"accept" | "reject"} action */
    const answer = (action) => void act(app, () => api.respond(id, action), action === "accept" ? words.accepted(username) : words.rejected(username), next);
    const accept = button(words.accept, () => answer("accept"), { class: "strong", "aria-label": words.acceptLabel(username) });
    const reject = button(words.reject, () => answer("reject"), { "aria-label": words.rejectLabel(username) });
    return {
      root: h("li", { class: "ask" }, h("p", null, link(userPath(username), { class: "asker" }, words.asking(username))), h("div", { class: "row" }, accept, reject)),
      update: () => disable(!isReached(app.state), accept, reject),
    };
  });
  const next = () => list.querySelector("button") ?? after();
  return {
    root: list,
    /** @param {State} state */
    update({ requests }) {
      rows.update(requests.incoming);
      show(list, requests.incoming.length > 0);
    },
    close: () => rows.close(),
  };
}

/** @param {import("../state/app.js").App} app @param {() => HTMLElement | null} after */
export function outgoingRequests(app, after) {
  const list = h("ul", { class: "requests", "aria-label": words.asked });
  const rows = new Rows(list, (/** @type {FriendRequest} */ request) => String(request.id), ({ id, username }) => {
    const withdraw = button(words.withdraw, () => void act(app, () => api.withdraw(id), words.withdrawn, next), { class: "plain", "aria-label": words.withdrawLabel(username) });
    return {
      root: h("li", { class: "ask row between" }, h("span", { class: "quiet" }, words.outgoing(username)), withdraw),
      update: () => disable(!isReached(app.state), withdraw),
    };
  });
  const next = () => list.querySelector("button") ?? after();
  return {
    root: list,
    /** @param {State} state */
    update({ requests }) {
      rows.update(requests.outgoing);
      show(list, requests.outgoing.length > 0);
    },
    close: () => rows.close(),
  };
}
