/** A recording as a hush line: raw ghost behind the clean line, what is played in full colour. */

import { api, asProblem } from "../server/api.js";
import { h } from "../page/dom.js";
import { colours, fit } from "./colours.js";
import { scatter, swell } from "./ribbon.js";

/** @typedef {import("../state/types.js").Recording} Recording */
/** @typedef {import("../state/types.js").Peaks} Peaks */

const POINTS = 320;
const LOOK_AGAIN_MS = 2000;

/** Peaks of one recording by variant, asked for once. @type {Map<number, Promise<Record<string, Peaks>>>} */
const asked = new Map();

/** @param {Recording} recording */
function peaksOf(recording) {
  const known = asked.get(recording.id);
  if (known) return known;
  const found = Promise.all(recording.variants.map(async (variant) => [variant, await api.peaks(recording.id, variant, POINTS)])).then(Object.fromEntries);
  asked.set(recording.id, found);
  found.catch(() => asked.delete(recording.id)); // 409 while it is being finished: ask again
  return found;
}

/** @param {Peaks | undefined} peaks @returns {number[]} half heights 0 to 1, the quiet parts lifted so that a voice shows */
export function halves(peaks) {
  return (peaks?.peaks ?? []).map(([low, high]) => Math.min(1, Math.max(Math.abs(low), Math.abs(high))) ** 0.5);
}

/** @param {Recording} recording */
export function waveform(recording) {
  const canvas = h("canvas", { class: "waveform", "aria-hidden": "true" });
  /** @type {Record<string, Peaks>} */
  let peaks = {};
  let played = 0;
  let variant = "denoised";
  let closed = false;
  const redraw = () => {
    fit(canvas);
    paint(canvas, halves(peaks["original"]), halves(peaks["denoised"]), played, variant);
  };
  const load = async () => {
    if (closed || recording.state !== "ready") return;
    try {
      peaks = await peaksOf(recording);
      redraw();
    } catch (error) {
      if (asProblem(error).status === 409) setTimeout(() => void load(), LOOK_AGAIN_MS);
    }
  };
  const seen = new IntersectionObserver((entries) => {
    if (!entries.some((entry) => entry.isIntersecting)) return;
    seen.disconnect();
    void load();
  });
  seen.observe(canvas);
  const sized = new ResizeObserver(redraw);
  sized.observe(canvas);
  return {
    root: canvas,
    /** @param {number} share played, 0 to 1 @param {string} heard */
    update(share, heard) {
      if (Math.abs(share - played) < 0.001 && heard === variant) return;
      played = share;
      variant = heard;
      redraw();
    },
    /** The recording has changed its state. @param {Recording} now */
    renew(now) {
      if (now.state === recording.state) return;
      recording = now;
      void load();
    },
    close() {
      closed = true;
      seen.disconnect();
      sized.disconnect();
    },
  };
}

/** @param {HTMLCanvasElement} canvas @param {number[]} raw @param {number[]} clean @param {number} played @param {string} variant */
function paint(canvas, raw, clean, played, variant) {
  const pen = canvas.getContext("2d");
  if (!pen) return;
  const middle = canvas.height / 2;
  const scale = canvas.width / Math.max(1, canvas.clientWidth);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  if (!raw.length && !clean.length) {
    pen.fillStyle = colours().line;
    pen.fillRect(0, middle - scale / 2, canvas.width, scale);
    return;
  }
  for (const [from, to, alpha] of /** @type {[number, number, number][]} */ ([[0, played, 1], [played, 1, played ? 0.45 : 0.85]])) {
    pen.save();
    pen.beginPath();
    pen.rect(from * canvas.width, 0, (to - from) * canvas.width, canvas.height);
    pen.clip();
    pen.globalAlpha = alpha;
    ghost(pen, raw, canvas.width, middle, scale, variant === "original" || !clean.length);
    pen.globalAlpha = alpha * (variant === "original" ? 0.35 : 1);
    voice(pen, clean, canvas.width, middle, scale);
    pen.restore();
  }
}

/** @param {CanvasRenderingContext2D} pen @param {number[]} halves @param {number} width @param {number} middle @param {number} scale @param {boolean} heard */
function ghost(pen, halves, width, middle, scale, heard) {
  pen.fillStyle = colours().noise;
  pen.beginPath();
  const size = 1.4 * scale;
  const room = width / halves.length;
  const rare = (heard ? 2 : 3) * scale; // one dot for so much height
  halves.forEach((half, index) => {
    const count = 1 + Math.round((half * middle * Math.max(1, room / (2 * scale))) / rare);
    for (let dot = 0; dot < count; dot += 1) {
      const place = scatter(index, dot) * 2 - 1;
      pen.rect((index + scatter(dot, index)) * room, middle + place * half * middle * 0.96 - size / 2, size, size);
    }
  });
  pen.fill();
}

/** @param {CanvasRenderingContext2D} pen @param {number[]} halves @param {number} width @param {number} middle @param {number} scale */
function voice(pen, halves, width, middle, scale) {
  if (halves.length < 2) return;
  pen.fillStyle = colours().voice;
  swell(pen, halves.map((half, index) => [(index / (halves.length - 1)) * width, Math.max(scale, half * middle * 0.96)]), middle);
}
