/** The hush line: ochre fuzz (what was there) behind a clean teal line (what is left), scrolling. One canvas, 30 frames a second, still when hidden. */

import { h } from "../page/dom.js";
import { colours, fit } from "./colours.js";

/** @typedef {import("../state/types.js").Levels} Levels */
/** @typedef {{levels: Levels, clean: boolean, broken: boolean}} Moment    `clean`: the denoised voice is what is heard; `broken`: no connection now */
/** @typedef {{raw: number | null, left: number | null, broken: boolean, seed: number}} Column  heights 0 to 1 */

const FRAME_MS = 1000 / 30;
const CALM_MS = 250;
const SINK_MS = 240;
const STEP_PX = 3;
/** What remains of the fuzz while the clean voice is heard. */
const SUNK = 0.6;

/** Loudness as height: -66 dBFS is nothing, 0 is full, a voice is about half. @param {number | null} level dBFS @returns {number} 0 to 1 */
export function height(level) {
  if (level === null) return 0;
  return Math.min(1, Math.max(0, (level + 66) / 66)) ** 1.6;
}

/** @param {() => Moment} moment what is to be drawn now @param {string} label */
export function ribbon(moment, label) {
  const canvas = h("canvas", { class: "ribbon", role: "img", "aria-label": label });
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  /** @type {Column[]} */
  const columns = [];
  let sunk = 1;
  let last = 0;
  let seed = 1;
  /** @type {number | null} */
  let frame = null;

  /** @param {number} now */
  const turn = (now) => {
    frame = requestAnimationFrame(turn);
    const passed = now - last;
    if (passed < (calm.matches ? CALM_MS : FRAME_MS) - 2) return;
    last = now;
    const seen = moment();
    const towards = seen.clean ? 1 : 0;
    sunk = calm.matches ? towards : sunk + Math.sign(towards - sunk) * Math.min(Math.abs(towards - sunk), passed / SINK_MS);
    seed += 1;
    columns.push({ raw: seen.levels.original === null ? null : height(seen.levels.original), left: seen.levels.denoised === null ? null : height(seen.levels.denoised), broken: seen.broken, seed });
    fit(canvas);
    if (calm.matches) drawBar(canvas, columns, sunk);
    else draw(canvas, columns, sunk);
  };
  const wake = () => {
    if (frame === null && !document.hidden) frame = requestAnimationFrame(turn);
  };
  const rest = () => {
    if (frame !== null) cancelAnimationFrame(frame);
    frame = null;
  };
  const turned = () => (document.hidden ? rest() : wake());
  document.addEventListener("visibilitychange", turned);
  wake();
  return {
    root: canvas,
    close() {
      rest();
      document.removeEventListener("visibilitychange", turned);
    },
  };
}

/** How high the fuzz of a column stands, or null where nothing is known. @param {Column} column @param {number} sunk 0 to 1 */
function fuzz(column, sunk) {
  if (column.raw === null) return null;
  return column.left === null ? column.raw : column.raw * (1 - (1 - SUNK) * sunk);
}

/** @param {HTMLCanvasElement} canvas @param {Column[]} columns @param {number} sunk */
function draw(canvas, columns, sunk) {
  const pen = canvas.getContext("2d");
  if (!pen) return;
  const scale = canvas.width / Math.max(1, canvas.clientWidth);
  const room = Math.ceil(canvas.width / (STEP_PX * scale)) + 1;
  if (columns.length > room) columns.splice(0, columns.length - room);
  const middle = canvas.height / 2;
  const reach = middle - 4 * scale;
  const x = (/** @type {number} */ index) => canvas.width - (columns.length - index) * STEP_PX * scale;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  rail(pen, canvas, columns.findLastIndex((column) => column.raw === null && column.left === null) < 0 ? x(0) : canvas.width, middle, scale);
  dots(pen, columns, (index) => x(index), (column) => fuzz(column, sunk), reach, middle, scale);
  pen.globalAlpha = sunk;
  line(pen, columns, (index) => x(index), (column) => (column.left === null ? null : column.left * reach * sunk), middle, scale);
  pen.globalAlpha = 1;
  if (columns.at(-1)?.broken) dashes(pen, columns, x, middle, scale);
}

/** The empty way until the sound gets there. @param {CanvasRenderingContext2D} pen @param {HTMLCanvasElement} canvas @param {number} until @param {number} middle @param {number} scale */
function rail(pen, canvas, until, middle, scale) {
  if (until <= 0) return;
  pen.globalAlpha = 0.5;
  pen.fillStyle = colours().line;
  pen.fillRect(0, middle - scale / 2, Math.min(until, canvas.width), scale);
  pen.globalAlpha = 1;
}

/** A number from 0 to 1 that looks like chance and stays the same: fuzz must not flicker. @param {number} a @param {number} b */
export function scatter(a, b) {
  let mixed = Math.imul(a + 0x9e37, 0x85ebca6b) ^ Math.imul(b + 0x79b9, 0xc2b2ae35);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  return ((mixed ^ (mixed >>> 12)) >>> 0) / 4294967296;
}

/** @param {CanvasRenderingContext2D} pen @param {Column[]} columns @param {(index: number) => number} x @param {(column: Column) => number | null} share @param {number} reach @param {number} middle @param {number} scale */
function dots(pen, columns, x, share, reach, middle, scale) {
  pen.fillStyle = colours().noise;
  pen.beginPath();
  const size = 1.5 * scale;
  columns.forEach((column, index) => {
    const part = share(column);
    if (column.broken || part === null) return;
    const half = part * reach;
    const count = Math.min(24, 1 + Math.floor(half / (2.2 * scale)));
    for (let dot = 0; dot < count; dot += 1) {
      const place = scatter(column.seed, dot) * 2 - 1;
      pen.rect(x(index) + scatter(dot, column.seed) * STEP_PX * scale, middle + place * half - size / 2, size, size);
    }
  });
  pen.fill();
}

/** @param {CanvasRenderingContext2D} pen @param {Column[]} columns @param {(index: number) => number} x @param {(column: Column) => number | null} reach @param {number} middle @param {number} scale */
function line(pen, columns, x, reach, middle, scale) {
  pen.fillStyle = colours().voice;
  const thin = 1.1 * scale;
  let run = /** @type {[number, number][]} */ ([]);
  const flush = () => {
    if (run.length > 1) swell(pen, run, middle);
    run = [];
  };
  columns.forEach((column, index) => {
    const half = reach(column);
    if (half === null || column.broken) flush();
    else run.push([x(index), Math.max(thin, half)]);
  });
  flush();
}

/** No connection: a dashed line. @param {CanvasRenderingContext2D} pen @param {Column[]} columns @param {(index: number) => number} x @param {number} middle @param {number} scale */
function dashes(pen, columns, x, middle, scale) {
  pen.fillStyle = colours().ink;
  columns.forEach((column, index) => {
    if (column.broken && column.seed % 4 < 2) pen.fillRect(x(index), middle - scale, STEP_PX * scale, scale * 2);
  });
}

/** A line as thick as the voice is loud. @param {CanvasRenderingContext2D} pen @param {[number, number][]} run @param {number} middle */
export function swell(pen, run, middle) {
  pen.beginPath();
  run.forEach(([x, half], index) => (index ? pen.lineTo(x, middle - half) : pen.moveTo(x, middle - half)));
  for (const [x, half] of [...run].reverse()) pen.lineTo(x, middle + half);
  pen.fill();
}

/** For those who want no motion: two bars, in steps. @param {HTMLCanvasElement} canvas @param {Column[]} columns @param {number} sunk */
function drawBar(canvas, columns, sunk) {
  const pen = canvas.getContext("2d");
  const now = columns.at(-1);
  columns.splice(0, columns.length - 1);
  if (!pen || !now) return;
  const steps = 24;
  const width = canvas.width / steps;
  pen.clearRect(0, 0, canvas.width, canvas.height);
  for (let step = 0; step < steps; step += 1) {
    const lit = (/** @type {number | null} */ level) => step < Math.round((level ?? 0) * steps);
    pen.globalAlpha = lit(now.raw) ? 1 : 0.2;
    pen.fillStyle = colours().noise;
    pen.fillRect(step * width, canvas.height * 0.3, width * 0.5, canvas.height * 0.12);
    pen.globalAlpha = lit((now.left ?? 0) * sunk) ? 1 : 0.2;
    pen.fillStyle = colours().voice;
    pen.fillRect(step * width, canvas.height * 0.55, width * 0.7, canvas.height * 0.16);
  }
  pen.globalAlpha = 1;
}
