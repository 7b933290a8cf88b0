/** What a recording shows when its row is opened: a large waveform to seek in, what was not cleaned, chapters, version and speed. */

import { attribute, h, Rows, setText, show } from "../page/dom.js";
import { titleOf } from "../page/titles.js";
import { cleaning, heardAt, spanAt } from "../state/cleaning.js";
import { recordings as words } from "../words/recordings.js";
import { button, segmented, uid } from "./controls.js";
import { waveform } from "./waveform.js";

/** @typedef {import("../state/types.js").Recording} Recording */
/** @typedef {import("../state/types.js").Chapter} Chapter */
/** @typedef {"denoised" | "original"} Variant */

const STEP_S = 5;
const SPEEDS = [1, 1.25, 1.5, 1.75, 2];
/** @type {Record<string, Variant>} */
const VARIANT_KEYS = { a: "denoised", b: "original" };

/** @param {import("../state/app.js").App} app @param {Recording} first */
export function openedRecording(app, first) {
  const { player } = app;
  let recording = first;
  const large = waveform(recording);
  const here = () => player.playing.recording?.id === recording.id;
  const ready = () => {
    if (!here()) player.load(recording);
  };
  const seek = h("div", { class: "seek", role: "slider", tabindex: "0", "aria-valuemin": "0", on: {
    keydown: (event) => {
      const pressed = /** @type {KeyboardEvent} */ (event);
      const to = keyPosition(pressed.key, here() ? player.playing.position_s : 0, recording.duration_s);
      const side = keyVariant(pressed, recording.variants);
      if (to === null && !side) return;
      event.preventDefault();
      ready();
      if (to !== null) player.seek(to);
      if (side) player.switchVariant(side);
    },
    pointerdown: (event) => drag(/** @type {PointerEvent} */ (event), seek, (share) => {
      ready();
      player.seek(share * recording.duration_s);
    }),
  } }, large.root);
  const extent = h("p", { class: "quiet" });
  const heard = h("p", { class: "quiet explain" });
  const versions = h("p", { class: "quiet" }, words.versions);
  const variant = segmented(words.choice, /** @type {{value: Variant, label: string, kind: "clean" | "raw"}[]} */ ([{ value: "denoised", label: words.clean, kind: "clean" }, { value: "original", label: words.raw, kind: "raw" }]), (value) => {
    ready();
    player.switchVariant(value);
  });
  const speedId = uid("speed");
  const speed = h("select", { id: speedId, on: { change: () => player.setSpeed(Number(speed.value)) } }, ...SPEEDS.map((times) => h("option", { value: times }, words.times(times))));
  const time = h("span", { class: "time" });
  const chapters = h("ul", { class: "chapters", "aria-label": words.chapters });
  const chapterRows = new Rows(chapters, (/** @type {Chapter} */ chapter) => `${chapter.at_s} ${chapter.text}`, (chapter) => ({
    root: h("li", null, button(words.chapter(chapter.at_s, chapter.text), () => {
      ready();
      player.seek(chapter.at_s);
    }, { class: "plain" })),
    update: () => undefined,
  }));
  return {
    root: h("div", { class: "inside" }, seek, h("div", null, extent, versions, heard), chapters,
      h("div", { class: "row tools" }, time, variant.root, h("div", { class: "row" }, h("label", { for: speedId }, words.speed), speed))),
    /** @param {Recording} now */
    update(now) {
      recording = now;
      const name = now.username === app.state.me?.username ? null : now.username;
      const position = here() ? player.playing.position_s : 0;
      const chosen = here() ? player.playing.variant : "denoised";
      const span = spanAt(now, position);
      large.update(now.duration_s ? position / now.duration_s : 0, chosen);
      attribute(seek, "aria-label", words.placeIn(titleOf(now)));
      attribute(seek, "aria-valuemax", Math.round(now.duration_s));
      attribute(seek, "aria-valuenow", Math.round(position));
      attribute(seek, "aria-valuetext", words.at[heardAt(now, chosen, position)](position, now.duration_s));
      setText(extent, [words.uncleaned(cleaning(now)), words.missing(cleaning(now), name)].filter(Boolean).join(" "));
      setText(heard, here() && (chosen === "denoised" || span?.kind === "gap") && now.denoised ? words.here(span, name) : "");
      setText(time, words.time(position, now.duration_s));
      for (const each of [variant.root, versions]) show(each, now.variants.length > 1);
      variant.update(chosen);
      if (speed.value !== String(player.playing.speed)) speed.value = String(player.playing.speed);
      chapterRows.update(now.chapters);
      show(chapters, now.chapters.length > 0);
    },
    close() {
      large.close();
      chapterRows.close();
    },
  };
}

/** The position that a key seeks to, or null. @param {string} key @param {number} at_s @param {number} duration_s */
export function keyPosition(key, at_s, duration_s) {
  /** @type {Record<string, number>} */
  const places = { ArrowLeft: at_s - STEP_S, ArrowRight: at_s + STEP_S, ArrowDown: at_s - STEP_S, ArrowUp: at_s + STEP_S, Home: 0, End: duration_s };
  const place = places[key];
  return place === undefined ? null : Math.min(duration_s, Math.max(0, place));
}

/** The variant that a key chooses while the seek bar has the focus, or null. @param {{key: string, ctrlKey: boolean, metaKey: boolean, altKey: boolean}} pressed @param {readonly string[]} variants */
export function keyVariant({ key, ctrlKey, metaKey, altKey }, variants) {
  const side = VARIANT_KEYS[key.toLowerCase()];
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

