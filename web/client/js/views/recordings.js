/** A list of recordings. Rows expand in place; deleting can be undone. */

import { h, Rows, setText, show } from "../page/dom.js";
import { isReached } from "../state/reached.js";
import { troubleText } from "../words/errors.js";
import { recordings as words } from "../words/recordings.js";
import { button } from "./controls.js";
import { recordingRow } from "./recording_row.js";

/** @typedef {import("../state/types.js").State} State */
/** @typedef {import("../state/types.js").Recording} Recording */

/** @param {import("../state/app.js").App} app @param {() => string} name whose */
export function recordings(app, name) {
  const list = h("ul", { class: "recordings", "aria-label": words.list });
  const rows = new Rows(list, (/** @type {Recording} */ item) => String(item.id), (item) => recordingRow(app, item));
  const note = h("p", { class: "quiet", tabindex: "-1" });
  let reached = true;
  const more = button(words.showOlder, () => void showOlder());
  const showOlder = async () => {
    const items = app.state.recordings[name()]?.items ?? [];
    await app.recordings.load(name(), items.at(-1)?.id);
    focusOn(list, items.length);
  };
  return {
    root: h("div", null, list, note, more),
    /** @param {State} state */
    update(state) {
      app.recordings.follow(name(), state.statuses[name()]);
      const loaded = state.recordings[name()];
      const isBack = isReached(state) && !reached;
      reached = isReached(state);
      if (isBack && loaded?.trouble) void app.recordings.load(name());
      const within = [...list.children].findIndex((row) => row.contains(document.activeElement));
      const before = list.children[within];
      rows.update(loaded?.items ?? []);
      const empty = loaded?.items.length === 0;
      let text = empty ? (name() === state.me?.username ? words.emptyOwn : words.empty) : "";
      if (loaded?.trouble) text = reached || empty ? troubleText(loaded.trouble) : ""; // the page says elsewhere that the server is away
      setText(note, text);
      show(note, text !== "");
      show(list, Boolean(loaded?.items.length));
      show(more, Boolean(loaded?.more));
      if (before && !before.isConnected && !focusOn(list, Math.min(within, list.children.length - 1))) note.focus();
    },
    close: () => rows.close(),
  };
}

/** Focus what can be focused first in a row; false if there is none. @param {HTMLElement} list @param {number} index */
function focusOn(list, index) {
  const controls = /** @type {NodeListOf<HTMLElement> | undefined} */ (list.children[index]?.querySelectorAll("button:not(:disabled), summary"));
  const control = [...(controls ?? [])].find((each) => each.offsetParent !== null);
  control?.focus();
  return control !== undefined;
}
