/** All recordings of the user. */

import { api } from "../server/api.js";
import { h, setText, show } from "../page/dom.js";
import { size } from "../page/format.js";
import { ownNow } from "../state/cleaning.js";
import { recordings as words } from "../words/recordings.js";
import { recordings } from "./recordings.js";

/** @param {import("../state/app.js").App} app */
export function library(app) {
  const me = () => app.state.me?.username ?? "";
  const room = h("p", { class: "quiet" });
  const now = h("p", { class: "strong" });
  const list = recordings(app, me);
  void app.recordings.load(me());
  void api.storage().then((storage) => setText(room, storageText(storage)), () => undefined);
  return {
    root: h("div", { class: "library" }, h("header", { class: "head" }, h("div", null, h("h1", { tabindex: "-1" }, words.library), room)), now, list.root),
    title: words.library,
    /** @param {import("../state/types.js").State} state */
    update(state) {
      const text = words.now[ownNow(state.statuses[me()], state.online)];
      setText(now, text);
      show(now, text !== "");
      list.update(state);
    },
    close: list.close,
  };
}

/** @param {{used_bytes: number, quota_bytes: number | null, keep_days: number | null}} storage */
export function storageText({ used_bytes, quota_bytes, keep_days }) {
  return words.storage(size(used_bytes), quota_bytes ? size(quota_bytes) : null, keep_days || null);
}
