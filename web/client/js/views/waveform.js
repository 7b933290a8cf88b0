/**
 * A recording as a hush line: the original as dots behind the denoised line, the played part in full colour. Parts that were not cleaned
 * have no line: they are dots between two dotted edges; parts in which nothing was received are dashes.
 */

import { api, asProblem } from "../server/api.js";
import { h } from "../page/dom.js";
import { colours, fitToScreen, followColours } from "./colours.js";
import { fillEnvelope, pseudoRandom } from "./ribbon.js";

/** @typedef {import("../state/types.js").Recording} Recording */
/** @typedef {import("../state/types.js").Peaks} Peaks */

const POINTS = 320;
const RETRY_AFTER_MS = 2000;
/** A part that was not cleaned is drawn at least so wide, to be seen in a long recording. */
const MIN_SPAN_PX = 3;

/** The peaks of each recording by variant, requested once. @type {Map<number, Promise<Record<string, Peaks>>>} */
const asked = new Map();

/** @param {Recording} recording */
function peaksOf(recording) {
  const known = asked.get(recording.id);
  if (known) return known;
  const found = Promise.all(recording.variants.map(async (variant) => [variant, await api.peaks(recording.id, variant, POINTS)])).then(Object.fromEntries);
  asked.set(recording.id, found);
  found.catch(() => asked.delete(recording.id)); // 409 while it is being finalised: allow another request
  return found;
}

/** @param {Peaks | undefined} peaks @returns {number[]} heights 0 to 1, with quiet parts raised so that a voice is visible */
export function amplitudes(peaks) {
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
    fitToScreen(canvas);
    paint(canvas, amplitudes(peaks["original"]), amplitudes(peaks["denoised"]), recording, played, variant);
  };
  const load = async () => {
    if (closed || recording.state !== "ready") return;
    try {
      peaks = await peaksOf(recording);
      redraw();
    } catch (error) {
      if ([0, 409].includes(asProblem(error).status)) setTimeout(() => void load(), RETRY_AFTER_MS); // the server is away, or finishes it
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
  const unfollow = followColours(redraw);
  return {
    root: canvas,
    /** @param {number} share played, 0 to 1 @param {string} heard */
    update(share, heard) {
      if (Math.abs(share - played) < 0.001 && heard === variant) return;
      played = share;
      variant = heard;
      redraw();
    },
    /** Reload when the recording has changed its state. @param {Recording} now */
    renew(now) {
      if (now.state === recording.state) return;
      recording = now;
      void load();
    },
    close() {
      closed = true;
      seen.disconnect();
      sized.disconnect();
      unfollow();
    },
  };
}

/** @typedef {{from: number, to: number, kind: "clean" | "raw" | "gap"}} Part   of the width, 0 to 1 */

/** The parts that a recording is drawn in, in order, without overlap. @param {Recording} recording @param {number} shortest the least part of the width that an exception takes @returns {Part[]} */
export function partsOf({ duration_s, spans, denoised }, shortest) {
  if (!duration_s) return [{ from: 0, to: 1, kind: denoised ? "clean" : "raw" }];
  /** @type {Part[]} */
  const parts = [];
  let at = 0;
  for (const { from_s, to_s, kind } of spans) {
    const from = Math.max(at, Math.min(from_s / duration_s, 1 - shortest));
    const to = Math.min(1, Math.max(to_s / duration_s, from + shortest));
    if (to <= from) continue;
    if (from > at) parts.push({ from: at, to: from, kind: denoised ? "clean" : "raw" });
    parts.push({ from, to, kind: kind === "gap" ? "gap" : "raw" });
    at = to;
  }
  if (at < 1) parts.push({ from: at, to: 1, kind: denoised ? "clean" : "raw" });
  return parts;
}

/** @param {HTMLCanvasElement} canvas @param {number[]} raw @param {number[]} clean @param {Recording} recording @param {number} played @param {string} variant */
function paint(canvas, raw, clean, recording, played, variant) {
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
  for (const part of partsOf(recording, (MIN_SPAN_PX * scale) / canvas.width)) {
    for (const [from, to, alpha] of /** @type {[number, number, number][]} */ ([[0, played, 1], [played, 1, played ? 0.45 : 0.85]])) {
      const [left, right] = [Math.max(from, part.from) * canvas.width, Math.min(to, part.to) * canvas.width];
      if (right <= left) continue;
      pen.save();
      pen.beginPath();
      pen.rect(left, 0, right - left, canvas.height);
      pen.clip();
      pen.globalAlpha = alpha;
      if (part.kind === "gap") paintGap(pen, left, right, middle, scale);
      else paintRaw(pen, raw, canvas.width, middle, scale, variant === "original" || part.kind === "raw");
      if (part.kind === "raw" && recording.denoised) paintEdges(pen, left, right, canvas.height, scale);
      pen.globalAlpha = alpha * (variant === "original" ? 0.35 : 1);
      if (part.kind === "clean") paintClean(pen, clean, canvas.width, middle, scale);
      pen.restore();
    }
  }
}

/** Dashes where nothing was received. @param {CanvasRenderingContext2D} pen @param {number} left @param {number} right @param {number} middle @param {number} scale */
function paintGap(pen, left, right, middle, scale) {
  pen.fillStyle = colours().ink;
  for (let x = left - (left % (8 * scale)); x < right; x += 8 * scale) pen.fillRect(x, middle - scale / 2, 4 * scale, scale);
}

/** Dotted edges above and below a part that was not cleaned. @param {CanvasRenderingContext2D} pen @param {number} left @param {number} right @param {number} height @param {number} scale */
function paintEdges(pen, left, right, height, scale) {
  pen.fillStyle = colours().noise;
  const size = 1.5 * scale;
  for (let x = left - (left % (4 * scale)); x < right; x += 4 * scale) {
    pen.fillRect(x, 0, size, size);
    pen.fillRect(x, height - size, size, size);
  }
}

/** @param {CanvasRenderingContext2D} pen @param {number[]} amplitudes @param {number} width @param {number} middle @param {number} scale @param {boolean} heard */
function paintRaw(pen, amplitudes, width, middle, scale, heard) {
  pen.fillStyle = colours().noise;
  pen.beginPath();
  const size = 1.4 * scale;
  const room = width / amplitudes.length;
  const spacing = (heard ? 2 : 3) * scale; // height per dot
  amplitudes.forEach((half, index) => {
    const count = 1 + Math.round((half * middle * Math.max(1, room / (2 * scale))) / spacing);
    for (let dot = 0; dot < count; dot += 1) {
      const place = pseudoRandom(index, dot) * 2 - 1;
      pen.rect((index + pseudoRandom(dot, index)) * room, middle + place * half * middle * 0.96 - size / 2, size, size);
    }
  });
  pen.fill();
}

/** @param {CanvasRenderingContext2D} pen @param {number[]} amplitudes @param {number} width @param {number} middle @param {number} scale */
function paintClean(pen, amplitudes, width, middle, scale) {
  if (amplitudes.length < 2) return;
  pen.fillStyle = colours().voice;
  fillEnvelope(pen, amplitudes.map((half, index) => [(index / (amplitudes.length - 1)) * width, Math.max(scale, half * middle * 0.96)]), middle);
}
