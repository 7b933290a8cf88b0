/** One's own recordings, all of them. */

import { api } from "../server/api.js";
import { h, say } from "../page/dom.js";
import { size } from "../page/format.js";
import { recordings } from "./recordings.js";

/** @param {import("../state/app.js").App} app */
export function library(app) {
  const me = () => app.state.me?.username ?? "";
  const room = h("p", { class: "quiet" });
  const list = recordings(app, me);
  void app.recordings.load(me());
  void api.storage().then((storage) => say(room, storageText(storage)), () => undefined);
  return {
    root: h("div", { class: "library" }, h("header", { class: "head" }, h("div", null, h("h1", { tabindex: "-1" }, "Library"), room)), list.root),
    title: "Library",
    update: list.update,
    close: list.close,
  };
}

/** @param {{used_bytes: number, quota_bytes: number | null, keep_days: number | null}} storage */
export function storageText(storage) {
  const used = storage.quota_bytes ? `${size(storage.used_bytes)} of ${size(storage.quota_bytes)} used.` : `${size(storage.used_bytes)} used.`;
  return storage.keep_days ? `${used} Each recording is kept for ${storage.keep_days} days.` : used;
}
