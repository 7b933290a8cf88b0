/** One recording: play, title, waveform, duration, menu; it opens in place, and folds when it is deleted. */

import { attribute, h, setText, show } from "../page/dom.js";
import { clock } from "../page/format.js";
import { dateOf, titleOf } from "../page/titles.js";
import { cleaning, isEarlierPart, making } from "../state/cleaning.js";
import { recordings as words } from "../words/recordings.js";
import { button } from "./controls.js";
import { openedRecording } from "./opened_recording.js";
import { recordingMenu } from "./recording_menu.js";
import { waveform } from "./waveform.js";

/** @typedef {import("../state/types.js").Recording} Recording */
/** @typedef {import("../state/types.js").State} State */

/** @param {import("../state/app.js").App} app @param {Recording} first */
export function recordingRow(app, first) {
  let recording = first;
  const { player } = app;
  const play = button(words.play, () => void player.toggle(recording), { class: "play" });
  const title = h("span", { class: "title" });
  const detail = h("span", { class: "quiet" });
  const opener = h("button", { type: "button", class: "plain opener", "aria-expanded": "false", on: { click: () => turn(!open) } }, title, detail);
  const small = waveform(recording);
  const length = h("span", { class: "time" });
  const menu = recordingMenu(app, () => recording);
  const line = h("div", { class: "recording" }, play, opener, small.root, length, menu.root);
  const place = h("div", { class: "opened" });
  const undo = button(words.undo, () => {
    app.recordings.undo(recording.id);
    app.announce(words.restored(titleOf(recording)));
  });
  const said = h("span");
  const folded = h("div", { class: "folded row" }, said, undo);
  const root = h("li", null, line, place, folded);
  /** @type {ReturnType<typeof openedRecording> | null} */
  let inside = null;
  let open = false;
  let wasGone = false;
  /** @param {boolean} wanted */
  const turn = (wanted) => {
    open = wanted;
    attribute(opener, "aria-expanded", open);
    if (open && !inside) {
      inside = openedRecording(app, recording);
      place.append(inside.root);
    }
    show(place, open);
    update(recording);
  };
  /** Fold or unfold; the focus goes to what has taken the place of what had it. @param {boolean} gone */
  const fold = (gone) => {
    const within = root.contains(document.activeElement);
    show(line, !gone);
    show(folded, gone);
    setText(said, gone ? words.deleted : "");
    if (within && gone !== wasGone) (gone ? undo : menu).focus();
    wasGone = gone;
  };
  /** @param {Recording} now */
  const update = (now) => {
    recording = now;
    const ready = now.state === "ready";
    const playing = app.state.player;
    const here = playing.recording?.id === now.id;
    const gone = app.state.deleted.includes(now.id);
    fold(gone);
    attribute(line, "class", ready ? "recording" : "recording unready");
    show(place, open && !gone && ready);
    setText(title, titleOf(now));
    setText(detail, detailOf(now, app.state));
    setText(length, ready ? clock(now.duration_s) : "");
    play.disabled = !ready;
    opener.disabled = !ready;
    const on = here && playing.playing;
    setText(play, on ? words.pause : words.play);
    attribute(play, "aria-label", on ? words.pauseOf(titleOf(now)) : words.playOf(titleOf(now)));
    small.renew(now);
    small.update(here && now.duration_s ? playing.position_s / now.duration_s : 0, here ? playing.variant : "denoised");
    inside?.update(now);
    menu.update(now);
  };
  show(place, false);
  return {
    root,
    update,
    close() {
      small.close();
      inside?.close();
    },
  };
}

/** The line under the title: when it was, and what it is. @param {Recording} recording @param {State} state */
function detailOf(recording, state) {
  const status = state.statuses[recording.username];
  const name = recording.username === state.me?.username ? null : recording.username;
  if (recording.state === "live") return words.making[making(recording, status, state.online)](name);
  if (recording.state === "finalising") return words.beingFinished;
  if (recording.state === "failed") return words.failed;
  const what = isEarlierPart(recording, status) ? words.earlierPart(cleaning(recording)) : words.extent(cleaning(recording));
  return words.detail(recording.title ? dateOf(recording) : null, what);
}
