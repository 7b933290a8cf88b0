/** The friends as a page, for narrow screens. */

import { h } from "../page/dom.js";
import { people as words } from "../words/people.js";
import { people } from "./people.js";

/** @param {import("../state/app.js").App} app */
export function friendsPage(app) {
  const inside = people(app);
  return { root: h("div", { class: "friends-page" }, h("h1", { class: "unseen", tabindex: "-1" }, words.friends), inside.root), title: words.friends, update: inside.update, close: inside.close };
}
