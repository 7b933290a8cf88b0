/** What stands in the studio in place of Start: the desk while this page sends, and the offer to resume while it does not. */

import { attribute, h, setText, show } from "../page/dom.js";
import { desk, still } from "../words/broadcasting.js";
import { button, toggle, uid } from "./controls.js";

/** @typedef {import("../state/types.js").State} State */
/** @typedef {import("../state/onair.js").OnAir} OnAir */

/** Offers to resume a broadcast that goes on without this page; never resumes by itself. @param {import("../state/app.js").App} app */
export function stillLive(app) {
  const text = h("p", { class: "strong", role: "status" });
  const why = h("p", { class: "quiet" });
  const resume = button(still.resume, () => void app.broadcasting.start(app.broadcasting.status?.title ?? ""), { class: "primary air" });
  const unmute = button(still.unmute, () => void app.broadcasting.mute(false), { class: "tall" });
  const stop = button(desk.stop, () => void app.stopStreaming(), { class: "stop", "aria-label": desk.stopLabel });
  const root = h("section", { class: "note", "aria-label": still.label }, text, why, h("div", { class: "row" }, resume, unmute, stop));
  return {
    root,
    first: resume,
    /** @param {State} state @param {OnAir} facts @param {boolean} visible */
    update(state, facts, visible) {
      show(root, visible);
      if (!visible) return;
      const recorded = (state.statuses[state.me?.username ?? ""]?.recording?.id ?? null) !== null;
      const [what, then] = sentences(facts, recorded);
      setText(text, what);
      setText(why, then);
      show(unmute, facts.muted && !facts.away);
      resume.disabled = facts.away || facts.where === "connecting" || state.broadcast.phase === "asking";
      stop.disabled = facts.away;
    },
  };
}

/** What goes on without this page, and what Resume does about it. @param {OnAir} facts @param {boolean} recorded @returns {[string, string]} */
function sentences({ where, away, muted, trouble }, recorded) {
  if (away) return [still.away, still.awayWhy];
  if (trouble?.code === "taken_over") return [muted ? still.takenOverMuted : still.takenOver, still.back];
  if (where === "waiting") return [muted ? still.openMuted : still.open, recorded ? still.waitingRecorded : still.waiting];
  return [muted ? still.muted : still.live, still.elsewhere];
}

/** @param {import("../state/app.js").App} app */
export function liveControls(app) {
  const title = liveTitle(app);
  const denoise = toggle(desk.denoise, (enabled) => void app.broadcasting.denoise({ enabled }));
  const mute = button(desk.mute, () => void app.broadcasting.mute(!app.broadcasting.facts.muted), { "aria-pressed": "false" });
  const stop = button(desk.stop, () => void app.stopStreaming(), { class: "stop", "aria-label": desk.stopLabel });
  const record = toggle(desk.record, (on) => void app.broadcasting.record(on));
  const root = h("section", { class: "live", "aria-label": desk.label }, title.root, h("div", { class: "desk sticky" }, denoise.root, mute, stop), record.root);
  return {
    root,
    first: mute,
    /** @param {State} state @param {OnAir} facts @param {boolean} visible */
    update(state, facts, visible) {
      show(root, visible);
      const status = state.statuses[state.me?.username ?? ""];
      if (visible) title.update(status, facts);
      denoise.update(status?.denoise.enabled ?? state.broadcast.profile !== "asis", !status?.live || facts.away, facts.gets.what === "clean");
      attribute(mute, "aria-pressed", facts.muted);
      record.update(["will", "on", "holds"].includes(facts.recorded) || (["away", "unknown"].includes(facts.recorded) && state.broadcast.record), !status?.live || facts.away);
    },
  };
}

/** The title, edited in place while the server can take another one: it is that of the recording. @param {import("../state/app.js").App} app */
function liveTitle(app) {
  const id = uid("title");
  const fixed = h("p", { class: "hint", id }, desk.titleFixed);
  const name = h("input", { class: "title-edit", "aria-label": desk.title, maxlength: "120", autocomplete: "off" });
  let known = "";
  let typing = false;
  const kept = async () => {
    await retitle(app, name);
    typing = false;
    app.store.set({});
  };
  name.addEventListener("input", () => (typing = true));
  name.addEventListener("change", () => void kept());
  name.addEventListener("keydown", (event) => {
    if (event.key === "Enter") name.blur();
  });
  return {
    root: h("div", { class: "field" }, name, fixed),
    /** @param {import("../state/types.js").Status | undefined} status @param {OnAir} facts */
    update(status, facts) {
      if (status?.broadcast && (status.broadcast !== known || !typing)) {
        known = status.broadcast;
        typing = false;
        if (name.value !== (status.title ?? "")) name.value = status.title ?? "";
      }
      name.readOnly = facts.recorded === "off" || facts.away;
      attribute(name, "placeholder", name.readOnly ? desk.untitled : desk.titleHint);
      const isFixed = facts.recorded === "off" && !facts.away;
      show(fixed, isFixed);
      attribute(name, "aria-describedby", isFixed ? id : null);
    },
  };
}

/** Rename the broadcast by renaming its recording. @param {import("../state/app.js").App} app @param {HTMLInputElement} name */
async function retitle(app, name) {
  const me = app.state.me?.username ?? "";
  const title = name.value.trim();
  const { status } = app.broadcasting;
  if (!title || name.readOnly) return; // a title cannot be removed
  await app.recordings.load(me);
  const id = status?.recording?.id;
  const now = app.state.recordings[me]?.items.find((recording) => (id ? recording.id === id : recording.state === "live"));
  if (!now || !(await app.attempt(() => app.recordings.rename(now, title)))) return;
  app.broadcaster.title = title; // used when reconnecting, and by "Go on"
  await app.refreshStatus(me);
}
