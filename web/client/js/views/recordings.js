/** A list of recordings: rows that open in place, delete with a way back. */

import { h, Rows, say, show } from "../page/dom.js";
import { troubleText } from "../page/messages.js";
import { button } from "./controls.js";
import { recordingRow } from "./recording_row.js";

/** @typedef {import("../state/types.js").State} State */
/** @typedef {import("../state/types.js").Recording} Recording */

/** @param {import("../state/app.js").App} app @param {() => string} name whose */
export function recordings(app, name) {
  const list = h("ul", { class: "recordings", "aria-label": "Recordings" });
  const rows = new Rows(list, (/** @type {Recording} */ item) => String(item.id), (item) => recordingRow(app, item));
  const note = h("p", { class: "quiet" });
  const more = button("Show older", () => {
    const last = app.state.recordings[name()]?.items.at(-1);
    if (last) void app.recordings.load(name(), last.started_at);
  });
  return {
    root: h("div", null, list, note, more),
    /** @param {State} state */
    update(state) {
      const loaded = state.recordings[name()];
      rows.update(loaded?.items ?? []);
      const text = loaded?.trouble ? troubleText(loaded.trouble) : emptyText(name() === state.me?.username, loaded?.items.length ?? -1, state.statuses[name()]);
      say(note, text);
      show(note, text !== "");
      show(list, Boolean(loaded?.items.length));
      show(more, Boolean(loaded?.more));
    },
    close: () => rows.close(),
  };
}

/** @param {boolean} own @param {number} count -1 = not known yet @param {import("../state/types.js").Status | undefined} status */
function emptyText(own, count, status) {
  if (count !== 0) return "";
  if (own && status?.live && status.recording?.id && !status.recording.failed) return "What you say now is being recorded.";
  return own ? "Nothing recorded yet. What you stream is kept here, with and without the noise." : "No recordings yet.";
}
