/** Friends as a page of their own, for the narrow screen. */

import { h } from "../page/dom.js";
import { people } from "./people.js";

/** @param {import("../state/app.js").App} app */
export function friendsPage(app) {
  const inside = people(app);
  return { root: h("div", { class: "friends-page" }, h("h1", { class: "unseen", tabindex: "-1" }, "Friends"), inside.root), title: "Friends", update: inside.update, close: inside.close };
}
