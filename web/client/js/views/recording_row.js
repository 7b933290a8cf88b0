/** One recording: play, title, line of sound, length, menu; opened, a large waveform to move in. */

import { audioUrl } from "../server/api.js";
import { attribute, h, Rows, say, show } from "../page/dom.js";
import { cleaned, clock, size } from "../page/format.js";
import { dateOf, titleOf } from "../page/titles.js";
import { button, dialog, field, segmented, uid } from "./controls.js";
import { waveform } from "./waveform.js";

/** @typedef {import("../state/types.js").Recording} Recording */
/** @typedef {import("../state/types.js").Chapter} Chapter */

const STEP_S = 5;
/** @type {Record<string, "denoised" | "original">} */
const SIDES = { a: "denoised", b: "original" };
/** @type {Record<string, string>} */
const STATES = { live: "On air now", finalising: "Being finished", failed: "Could not be kept" };

/** @param {import("../state/app.js").App} app @param {Recording} first */
export function recordingRow(app, first) {
  let recording = first;
  const { player } = app;
  const play = button("Play", () => void player.toggle(recording), { class: "play" });
  const title = h("span", { class: "title" });
  const date = h("span", { class: "quiet" });
  const opener = h("button", { type: "button", class: "plain opener", "aria-expanded": "false", on: { click: () => turn(!open) } }, title, date);
  const small = waveform(recording);
  const length = h("span", { class: "time" });
  const menu = rowMenu(app, () => recording);
  const line = h("div", { class: "recording" }, play, opener, small.root, length, menu.root);
  const place = h("div", { class: "opened" });
  const folded = h("div", { class: "folded row" }, h("span", null, "Deleted."), button("Undo", () => app.recordings.undo(recording.id)));
  /** @type {ReturnType<typeof opened> | null} */
  let inside = null;
  let open = false;
  /** @param {boolean} wanted */
  const turn = (wanted) => {
    open = wanted;
    attribute(opener, "aria-expanded", open);
    if (open && !inside) {
      inside = opened(app, recording);
      place.append(inside.root);
    }
    show(place, open);
    update(recording);
  };
  /** @param {Recording} now */
  const update = (now) => {
    recording = now;
    const ready = now.state === "ready";
    const playing = app.state.player;
    const here = playing.recording?.id === now.id;
    const gone = app.state.folded.includes(now.id);
    show(line, !gone);
    show(folded, gone);
    show(place, open && !gone && ready);
    say(title, titleOf(now));
    say(date, STATES[now.state] ?? (now.title ? dateOf(now) : cleaned(now)));
    say(length, ready ? clock(now.duration_s) : "");
    play.disabled = !ready;
    opener.disabled = !ready;
    const on = here && playing.playing;
    say(play, on ? "Pause" : "Play");
    attribute(play, "aria-label", `${on ? "Pause" : "Play"} ${titleOf(now)}`);
    small.renew(now);
    small.update(here && now.duration_s ? playing.position_s / now.duration_s : 0, here ? playing.variant : "denoised");
    inside?.update(now);
    menu.update(now);
  };
  show(place, false);
  return {
    root: h("li", null, line, place, folded),
    update,
    close() {
      small.close();
      inside?.close();
    },
  };
}

/** @param {import("../state/app.js").App} app @param {Recording} recording */
function opened(app, recording) {
  const { player } = app;
  const large = waveform(recording);
  const here = () => player.playing.recording?.id === recording.id;
  const ready = () => {
    if (!here()) player.load(recording);
  };
  const seek = h("div", { class: "seek", role: "slider", tabindex: "0", "aria-label": `Place in ${titleOf(recording)}`, "aria-valuemin": "0", "aria-valuemax": String(Math.round(recording.duration_s)), on: {
    keydown: (event) => {
      const pressed = /** @type {KeyboardEvent} */ (event);
      const to = keyPlace(pressed.key, player.playing.position_s, recording.duration_s);
      const side = keySide(pressed, recording.variants);
      if (to === null && !side) return;
      event.preventDefault();
      ready();
      if (to !== null) player.seek(to);
      if (side) player.swap(side);
    },
    pointerdown: (event) => drag(/** @type {PointerEvent} */ (event), seek, (share) => {
      ready();
      player.seek(share * recording.duration_s);
    }),
  } }, large.root);
  const variant = segmented("What do you hear?", /** @type {{value: "denoised" | "original", label: string, kind: "clean" | "raw"}[]} */ ([{ value: "denoised", label: "Clean", kind: "clean" }, { value: "original", label: "Raw", kind: "raw" }]), (value) => {
    ready();
    player.swap(value);
  });
  const speedId = uid("speed");
  const speed = h("select", { id: speedId, on: { change: () => player.setSpeed(Number(speed.value)) } }, ...[1, 1.25, 1.5, 1.75, 2].map((times) => h("option", { value: times }, `${times} x`)));
  const time = h("span", { class: "time" });
  const chapters = h("ul", { class: "chapters", "aria-label": "Chapters" });
  const chapterRows = new Rows(chapters, (/** @type {Chapter} */ chapter) => `${chapter.at_s} ${chapter.text}`, (chapter) => ({
    root: h("li", null, button(`${clock(chapter.at_s)} ${chapter.text}`, () => {
      ready();
      player.seek(chapter.at_s);
    }, { class: "plain" })),
    update: () => undefined,
  }));
  return {
    root: h("div", { class: "inside" }, seek, chapters, h("div", { class: "row tools" }, time, variant.root, h("div", { class: "row" }, h("label", { for: speedId }, "Speed"), speed))),
    /** @param {Recording} now */
    update(now) {
      const position = here() ? player.playing.position_s : 0;
      large.update(now.duration_s ? position / now.duration_s : 0, here() ? player.playing.variant : "denoised");
      attribute(seek, "aria-valuenow", Math.round(position));
      attribute(seek, "aria-valuetext", `${clock(position)} of ${clock(now.duration_s)}`);
      say(time, `${clock(position)} / ${clock(now.duration_s)}`);
      show(variant.root, now.variants.length > 1);
      variant.update(here() ? player.playing.variant : "denoised");
      if (speed.value !== String(player.playing.speed)) speed.value = String(player.playing.speed);
      chapterRows.update(now.chapters ?? []);
      show(chapters, Boolean(now.chapters?.length));
    },
    close: () => large.close(),
  };
}

/** Where a key goes, or null. @param {string} key @param {number} at_s @param {number} duration_s */
export function keyPlace(key, at_s, duration_s) {
  /** @type {Record<string, number>} */
  const places = { ArrowLeft: at_s - STEP_S, ArrowRight: at_s + STEP_S, ArrowDown: at_s - STEP_S, ArrowUp: at_s + STEP_S, Home: 0, End: duration_s };
  const place = places[key];
  return place === undefined ? null : Math.min(duration_s, Math.max(0, place));
}

/** Two keys to compare by, while the place in the recording has the focus: the variant, or null. @param {{key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} pressed @param {readonly string[]} variants */
export function keySide({ key, ctrlKey, metaKey, altKey }, variants) {
  const side = SIDES[key.toLowerCase()];
  return side && variants.length > 1 && !ctrlKey && !metaKey && !altKey ? side : null;
}

/** @param {PointerEvent} event @param {HTMLElement} element @param {(share: number) => void} moved */
function drag(event, element, moved) {
  const box = element.getBoundingClientRect();
  /** @param {PointerEvent} now */
  const tell = (now) => moved(Math.min(1, Math.max(0, (now.clientX - box.left) / box.width)));
  tell(event);
  element.setPointerCapture(event.pointerId);
  element.addEventListener("pointermove", tell);
  element.addEventListener("pointerup", () => element.removeEventListener("pointermove", tell), { once: true });
}

/** @param {import("../state/app.js").App} app @param {() => Recording} recording */
function rowMenu(app, recording) {
  const links = h("div", { class: "menu-links" });
  const rename = button("Change the title", () => {
    root.open = false;
    askTitle(app, recording());
  }, { class: "plain" });
  const remove = button("Delete", () => {
    root.open = false;
    app.recordings.fold(recording());
    app.announce("Deleted. Undo is there for ten seconds.");
  }, { class: "plain" });
  const summary = h("summary", {}, "More");
  const root = h("details", { class: "menu" }, summary, h("div", { class: "menu-box" }, links, rename, remove));
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !root.open) return;
    root.open = false;
    summary.focus();
  });
  root.addEventListener("focusout", (event) => {
    if (event.relatedTarget instanceof Node && !root.contains(event.relatedTarget)) root.open = false;
  });
  let known = "";
  return {
    root,
    /** @param {Recording} now */
    update(now) {
      attribute(summary, "aria-label", `More about ${titleOf(now)}`);
      const own = now.username === app.state.me?.username;
      show(rename, own);
      show(remove, own && now.state !== "live");
      const wanted = now.state === "ready" ? now.variants.join() : "";
      if (wanted === known) return;
      known = wanted;
      links.replaceChildren(...(wanted ? now.variants.map((variant) => h("a", { href: audioUrl(now.id, variant, "wav", true), download: true }, `Download ${variant === "denoised" ? "clean" : "raw"} (WAV)`)) : []));
      if (wanted) links.append(h("span", { class: "quiet" }, size(now.size_bytes)));
    },
  };
}

/** @param {import("../state/app.js").App} app @param {Recording} recording */
function askTitle(app, recording) {
  const title = field("Title", { maxlength: "120", required: true, pattern: ".*\\S.*", value: recording.title });
  const form = h("form", { on: {
    submit: (event) => {
      event.preventDefault();
      void app.attempt(() => app.recordings.rename(recording, title.input.value.trim()));
      asked.close();
    },
  } }, title.root, h("div", { class: "row end" }, button("Cancel", () => asked.close()), h("button", { type: "submit", class: "strong" }, "Save")));
  const asked = dialog("Change the title", form);
  title.input.select();
}
