/** The hush line: the original as scattered ochre dots ("fuzz") behind the denoised sound as a teal line, scrolling. One canvas, 30 frames a second, paused while the tab is hidden. */

import { h } from "../page/dom.js";
import { colours, fitToScreen } from "./colours.js";

/** @typedef {import("../state/types.js").Levels} Levels */
/** @typedef {{levels: Levels, clean: boolean, broken: boolean}} Moment    `clean`: the denoised variant is heard; `broken`: not connected */
/** @typedef {{raw: number | null, clean: number | null, broken: boolean, seed: number}} Column  heights 0 to 1 */

/** From one frame until the next one is asked for, which then comes with the screen's next: 30 a second where that has 60. */
const FRAME_MS = 28;
/** The same for reduced motion, and while there is nothing to show, so that an open page costs next to nothing. */
const SLOW_FRAME_MS = 245;
const FADE_MS = 240;
const STEP_PX = 3;
/** Relative height of the fuzz while the denoised variant is heard. */
const FUZZ_WHEN_CLEAN = 0.6;

/** A level as height: -66 dBFS is 0, 0 dBFS is 1, a voice is about 0.5. @param {number | null} level dBFS @returns {number} 0 to 1 */
export function levelHeight(level) {
  if (level === null) return 0;
  return Math.min(1, Math.max(0, (level + 66) / 66)) ** 1.6;
}

/** Null where there is no level. @param {number | null} level dBFS */
function heightOf(level) {
  return level === null ? null : levelHeight(level);
}

/** Whether there is no sound, or none yet. @param {Column} column */
function isEmpty({ raw, clean, broken }) {
  return raw === null && clean === null && !broken;
}

/** @param {() => Moment} moment returns what to draw now @param {string} label */
export function ribbon(moment, label) {
  const canvas = h("canvas", { class: "ribbon", role: "img", "aria-label": label });
  const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  /** @type {Column[]} */
  const columns = [];
  let cleanShare = 1;
  let last = 0;
  let seed = 1;
  /** How the last frame was drawn: as long as that stays, it is moved, and what is new drawn beside it. */
  let drawn = "";
  let frame = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer = undefined;

  /** @param {number} now */
  const onFrame = (now) => {
    const step = reducedMotion.matches ? 1 : (now - last) / FADE_MS;
    last = now;
    const { levels, clean: cleaned, broken } = moment();
    const target = cleaned ? 1 : 0;
    cleanShare = Math.max(cleanShare - step, Math.min(cleanShare + step, target));
    seed += 1;
    columns.push({ raw: heightOf(levels.original), clean: heightOf(levels.denoised), broken, seed });
    const slow = reducedMotion.matches || columns.every(isEmpty);
    if (slow) columns.splice(0, columns.length - 1);
    next(slow ? SLOW_FRAME_MS : FRAME_MS);
    const look = slow ? "" : cleanShare + JSON.stringify(colours());
    const anew = fitToScreen(canvas) || look !== drawn || columns.length < 2;
    drawn = look;
    if (reducedMotion.matches) drawBar(canvas, columns[0], cleanShare);
    else draw(canvas, columns, cleanShare, anew);
  };
  /** Frames in between are not asked for: each costs the browser a whole one. @param {number} afterMs */
  const next = (afterMs) => {
    timer = setTimeout(() => (frame = requestAnimationFrame(onFrame)), afterMs);
  };
  const pause = () => {
    clearTimeout(timer);
    cancelAnimationFrame(frame);
  };
  const visibilityChanged = () => {
    pause();
    if (!document.hidden) next(0);
  };
  document.addEventListener("visibilitychange", visibilityChanged);
  visibilityChanged();
  return {
    root: canvas,
    /** Begin anew: what was drawn is over. */
    clear: () => void columns.splice(0),
    close() {
      pause();
      document.removeEventListener("visibilitychange", visibilityChanged);
    },
  };
}

/** The height of a column's fuzz, or null if the level is unknown. @param {Column} column @param {number} cleanShare 0 to 1 */
function fuzz(column, cleanShare) {
  if (column.raw === null) return null;
  return column.clean === null ? column.raw : column.raw * (1 - (1 - FUZZ_WHEN_CLEAN) * cleanShare);
}

/** @param {HTMLCanvasElement} canvas @param {Column[]} columns @param {number} cleanShare @param {boolean} anew all of it, not the last column alone */
function draw(canvas, columns, cleanShare, anew) {
  const pen = canvas.getContext("2d");
  if (!pen) return;
  const scale = canvas.width / (canvas.clientWidth || 1);
  const step = Math.max(1, Math.round(STEP_PX * scale)); // whole pixels, so that what is moved stays sharp
  const capacity = Math.ceil(canvas.width / step) + 1;
  if (columns.length > capacity) columns.splice(0, columns.length - capacity);
  const middle = canvas.height / 2;
  const amplitude = middle - 4 * scale;
  const fresh = columns.slice(anew ? 0 : -1);
  const joined = columns.slice(anew ? 0 : -2); // the line goes on from the column before
  const from = (/** @type {Column[]} */ some) => (/** @type {number} */ index) => canvas.width - (some.length - index) * step;
  const x = from(fresh);
  if (anew) pen.clearRect(0, 0, canvas.width, canvas.height);
  else scroll(pen, canvas, step);
  baseline(pen, anew ? x(0) : 0, fresh, x, step, middle, scale);
  dots(pen, fresh, x, step, (column) => fuzz(column, cleanShare), amplitude, middle, scale);
  pen.globalAlpha = cleanShare;
  line(pen, joined, from(joined), (column) => (column.clean === null ? null : column.clean * amplitude * cleanShare), middle, scale);
  pen.globalAlpha = 1;
  dashes(pen, fresh, x, step, middle, scale);
}

/** Move all to the left; what comes in at the right is empty. @param {CanvasRenderingContext2D} pen @param {HTMLCanvasElement} canvas @param {number} step */
function scroll(pen, canvas, step) {
  pen.save();
  pen.globalCompositeOperation = "copy";
  pen.drawImage(canvas, -step, 0);
  pen.restore();
}

/** The thin line where there is no sound, or none yet. @param {CanvasRenderingContext2D} pen @param {number} before so wide is it left of the columns; below 0 there is none @param {Column[]} columns @param {(index: number) => number} x @param {number} step @param {number} middle @param {number} scale */
function baseline(pen, before, columns, x, step, middle, scale) {
  pen.globalAlpha = 0.5;
  pen.fillStyle = colours().line;
  pen.fillRect(0, middle - scale / 2, before, scale);
  columns.forEach((column, index) => {
    if (isEmpty(column)) pen.fillRect(x(index), middle - scale / 2, step, scale);
  });
  pen.globalAlpha = 1;
}

/** A pseudo-random number from 0 to 1 that depends only on its arguments, so that the fuzz does not flicker. @param {number} a @param {number} b */
export function pseudoRandom(a, b) {
  let mixed = Math.imul(a + 0x9e37, 0x85ebca6b) ^ Math.imul(b + 0x79b9, 0xc2b2ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return ((mixed ^ (mixed >>> 12)) >>> 0) / 4294967296;
}

/** @param {CanvasRenderingContext2D} pen @param {Column[]} columns @param {(index: number) => number} x @param {number} step @param {(column: Column) => number | null} share @param {number} amplitude @param {number} middle @param {number} scale */
function dots(pen, columns, x, step, share, amplitude, middle, scale) {
  pen.fillStyle = colours().noise;
  pen.beginPath();
  const size = 1.5 * scale;
  columns.forEach((column, index) => {
    const part = share(column);
    if (column.broken || part === null) return;
    const half = part * amplitude;
    const count = Math.min(24, 1 + Math.floor(half / (2.2 * scale)));
    for (let dot = 0; dot < count; dot += 1) {
      const place = pseudoRandom(column.seed, dot) * 2 - 1;
      pen.rect(x(index) + pseudoRandom(dot, column.seed) * (step - size), middle + place * half - size / 2, size, size);
    }
  });
  pen.fill();
}

/** @param {CanvasRenderingContext2D} pen @param {Column[]} columns @param {(index: number) => number} x @param {(column: Column) => number | null} amplitude @param {number} middle @param {number} scale */
function line(pen, columns, x, amplitude, middle, scale) {
  pen.fillStyle = colours().voice;
  const thin = 1.1 * scale;
  let run = /** @type {[number, number][]} */ ([]);
  const flush = () => {
    if (run.length > 1) fillEnvelope(pen, run, middle);
    run = [];
  };
  columns.forEach((column, index) => {
    const half = amplitude(column);
    if (half === null || column.broken) flush();
    else run.push([x(index), Math.max(thin, half)]);
  });
  flush();
}

/** A dashed line where there was no connection. @param {CanvasRenderingContext2D} pen @param {Column[]} columns @param {(index: number) => number} x @param {number} step @param {number} middle @param {number} scale */
function dashes(pen, columns, x, step, middle, scale) {
  pen.fillStyle = colours().ink;
  columns.forEach((column, index) => {
    if (column.broken && column.seed % 4 < 2) pen.fillRect(x(index), middle - scale, step, scale * 2);
  });
}

/** Fill a line whose thickness is the level. @param {CanvasRenderingContext2D} pen @param {[number, number][]} run @param {number} middle */
export function fillEnvelope(pen, run, middle) {
  pen.beginPath();
  run.forEach(([x, half], index) => (index ? pen.lineTo(x, middle - half) : pen.moveTo(x, middle - half)));
  for (const [x, half] of [...run].reverse()) pen.lineTo(x, middle + half);
  pen.fill();
}

/** For reduced motion: two stepped bars. @param {HTMLCanvasElement} canvas @param {Column | undefined} now @param {number} cleanShare */
function drawBar(canvas, now, cleanShare) {
  const pen = canvas.getContext("2d");
  if (!pen || !now) return;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (now.broken) return drawBroken(pen, canvas);
  const steps = 24;
  const width = canvas.width / steps;
  for (let step = 0; step < steps; step += 1) {
    const lit = (/** @type {number | null} */ level) => step < Math.round((level ?? 0) * steps);
    pen.globalAlpha = lit(now.raw) ? 1 : 0.2;
    pen.fillStyle = colours().noise;
    pen.fillRect(step * width, canvas.height * 0.3, width * 0.5, canvas.height * 0.12);
    pen.globalAlpha = lit((now.clean ?? 0) * cleanShare) ? 1 : 0.2;
    pen.fillStyle = colours().voice;
    pen.fillRect(step * width, canvas.height * 0.55, width * 0.7, canvas.height * 0.16);
  }
  pen.globalAlpha = 1;
}

/** For reduced motion: a dashed line, as there is no connection. @param {CanvasRenderingContext2D} pen @param {HTMLCanvasElement} canvas */
function drawBroken(pen, canvas) {
  const scale = canvas.width / (canvas.clientWidth || 1);
  pen.fillStyle = colours().ink;
  for (let at = 0; at < canvas.width; at += 4 * STEP_PX * scale) pen.fillRect(at, canvas.height / 2 - scale, 2 * STEP_PX * scale, scale * 2);
}
