/** What people read about recordings. Each entry is a whole sentence or label, so that another language can replace this file. Pure. */

import { clock, day, minute, span } from "../page/format.js";

/** @typedef {import("../state/cleaning.js").Cleaning} Cleaning */
/** @typedef {import("../state/cleaning.js").Span} Span */

/** The reason of a gap that another server has. */
const ELSEWHERE = "node_away";
/** So many stretches are named; of more the longest are. */
const MOST_NAMED = 4;

/** @param {string} text */
const capital = (text) => text.charAt(0).toLocaleUpperCase() + text.slice(1);
/** @param {number} value @param {number} [digits] */
const number = (value, digits = 0) => new Intl.NumberFormat(undefined, { maximumFractionDigits: digits }).format(value);
/** @param {string[]} parts */
const joined = (parts) => new Intl.ListFormat("en", { type: "conjunction" }).format(parts);
/** @param {number} seconds */
const length = (seconds) => (seconds < 9.95 ? `${number(Math.max(0.1, seconds), 1)} s` : span(Math.round(seconds)));

/** @param {Span} span */
function place({ from_s, to_s }) {
  if (from_s < 0.05) return `the first ${length(to_s - from_s)}`;
  if (to_s - from_s < 1.5) return `${length(to_s - from_s)} at ${clock(from_s)}`;
  return `${clock(from_s)} to ${clock(to_s)}`;
}

/** Why a stretch was not cleaned, as part of a sentence. @param {Span} span */
function why({ kind, reason }) {
  if (kind === "denoise_off") return "cleaning was turned off";
  /** @type {Record<string, string>} */
  const reasons = { too_slow: "cleaning was too slow", server_busy: "the server had no room", worker_failed: "cleaning had failed", no_weights: "the model was not there yet" };
  return reason === null ? "cleaning was starting" : reasons[reason] ?? "cleaning rested";
}

/** @param {Span} span @param {string | null} name */
function whyGap({ reason }, name) {
  if (reason === "parked") return name === null ? "you were away" : `${name} was away`;
  /** @type {Record<string, string>} */
  const reasons = { restart: "the server was away", takeover: "another server took over" };
  return reasons[reason ?? ""] ?? "it was lost on the way";
}

/** The longest of them, in order. @param {readonly Span[]} spans */
function longest(spans) {
  const kept = new Set([...spans].sort((one, other) => other.to_s - other.from_s - (one.to_s - one.from_s)).slice(0, MOST_NAMED));
  return spans.filter((each) => kept.has(each));
}

/** @param {readonly Span[]} spans @param {(span: Span) => string} reason */
function named(spans, reason) {
  const reasons = new Set(spans.map(reason));
  const kept = longest(spans);
  const [only] = reasons;
  if (reasons.size === 1) return `${joined(kept.map(place))} (${only})`;
  return joined(kept.map((each) => `${place(each)} (${reason(each)})`));
}

export const recordings = {
  list: "Recordings",
  chapters: "Chapters",
  play: "Play",
  pause: "Pause",
  more: "More",
  download: "Download",
  clean: "Clean",
  raw: "Raw",
  choice: "What do you hear?",
  speed: "Speed",
  showOlder: "Show older",
  empty: "No recordings yet.",
  emptyOwn: "Nothing recorded yet. What you stream is kept here, with and without the noise.",
  beingFinished: "Being finished. It can be played in a moment.",
  failed: "Could not be kept.",
  /** Of a recording of what is still on air. @param {Cleaning} cleaning */
  earlierPart(cleaning) {
    return `${this.extent(cleaning)}, up to where recording was turned off`;
  },
  /** @param {string} title */
  playOf: (title) => `Play ${title}`,
  /** @param {string} title */
  pauseOf: (title) => `Pause ${title}`,
  /** @param {string} title */
  moreOf: (title) => `More about ${title}`,
  /** @param {string} title */
  placeIn: (title) => `Place in ${title}`,
  /** @param {number} times */
  times: (times) => `${number(times, 2)} x`,
  /** @param {number} at_s @param {string} text */
  chapter: (at_s, text) => `${clock(at_s)} ${text}`,
  /** @param {number} at_s @param {number} duration_s */
  time: (at_s, duration_s) => `${clock(at_s)} / ${clock(duration_s)}`,
  /** What is heard at this place, which need not be the chosen version. @param {"clean" | "raw" | "gap"} heard @param {"denoised" | "original"} variant */
  heardNow: (heard, variant) => (heard === "gap" ? "nothing received here" : heard === "raw" && variant === "denoised" ? "raw here" : heard),
  /** @type {Record<"clean" | "raw" | "gap", (at_s: number, duration_s: number) => string>} */
  at: {
    clean: (at_s, duration_s) => `${clock(at_s)} of ${clock(duration_s)}`,
    raw: (at_s, duration_s) => `${clock(at_s)} of ${clock(duration_s)}, raw`,
    gap: (at_s, duration_s) => `${clock(at_s)} of ${clock(duration_s)}, nothing was received here`,
  },
  downloadClean: "Download clean (WAV)",
  downloadRaw: "Download raw (WAV)",

  /** "Today, 20:14" @param {string} started_at */
  date: (started_at) => capital(`${day(started_at)}, ${minute(started_at)}`),
  /** Of somebody who is not on air. @param {string} name @param {{started_at: string, duration_s: number} | null} last @param {boolean} known whether there is a last one */
  quiet(name, last, known) {
    if (last) return `${name} is quiet. Last on air ${day(last.started_at)}, ${span(last.duration_s)}.`;
    return known ? `${name} is quiet. No recordings yet.` : `${name} is quiet.`;
  },
  /** The second line of a row. @param {string | null} date null: it is the title already @param {string} state */
  detail: (date, state) => (date ? `${date} · ${state}` : capital(state)),
  /** How much of it is clean, in a few words. @param {Cleaning} cleaning */
  extent({ extent, uncleaned_s, share }) {
    if (extent === "none") return "not cleaned";
    return uncleaned_s < 1 && share < 0.02 ? "cleaned" : `${length(uncleaned_s)} not cleaned`;
  },

  versions: "Clean is without the noise, Raw is as it came in.",
  /** What was not cleaned, and why. @param {Cleaning} cleaning */
  uncleaned({ extent, uncleaned_s, uncleaned }) {
    if (extent === "all") return "All of it was cleaned.";
    if (extent === "none") {
      const reasons = [...new Set(uncleaned.map(why))];
      return reasons.length ? `None of it was cleaned: ${joined(reasons)}.` : "None of it was cleaned.";
    }
    if (!uncleaned.length) return `Cleaned, but for ${length(uncleaned_s)}.`;
    if (uncleaned.length <= MOST_NAMED) return `Cleaned, but for ${named(uncleaned, why)}.`;
    return `Cleaned, but for ${length(uncleaned_s)} in ${number(uncleaned.length)} places, the longest: ${named(uncleaned, why)}.`;
  },
  /** What is missing, and why; "" if nothing is. @param {Cleaning} cleaning @param {string | null} name of the broadcaster, null: the reader */
  missing({ gaps: all }, name) {
    const gaps = all.filter((gap) => gap.reason !== ELSEWHERE);
    const elsewhere = gaps.length < all.length ? `${length(all.reduce((sum, gap) => sum + (gap.reason === ELSEWHERE ? gap.to_s - gap.from_s : 0), 0))} are at a server that is away.` : "";
    if (!gaps.length) return elsewhere;
    const places = named(gaps, (gap) => whyGap(gap, name));
    const said = gaps.length <= MOST_NAMED ? `Nothing was received: ${places}.` : `Nothing was received in ${number(gaps.length)} places, the longest: ${places}.`;
    return elsewhere ? `${said} ${elsewhere}` : said;
  },
  /** What is heard at this moment instead of the clean sound; "" if it is clean. @param {Span | null} span @param {string | null} name */
  here(span, name) {
    if (!span) return "";
    if (span.kind === "gap" && span.reason === ELSEWHERE) return "This part is at a server that is away.";
    return span.kind === "gap" ? `Nothing was received here: ${whyGap(span, name)}.` : `You hear this part raw: ${why(span)}.`;
  },

  /** What a recording that is not finished says of itself. @type {Record<import("../state/cleaning.js").Making, (name: string | null) => string>} */
  making: {
    going: (name) => (name === null ? "On air, being recorded. It can be played, downloaded and deleted when it has ended." : "On air, being recorded. It can be played when it has ended."),
    waiting: (name) => (name === null ? "Being recorded. Silence is kept until you are back." : `Being recorded. Silence is kept until ${name} is back.`),
    away: () => "The server does not answer. Nothing is recorded until it is back.",
    full: () => "No longer recorded: the server's disk is full.",
    failed: () => "No longer recorded: the server cannot write it.",
    closing: () => "Being finished. It can be played in a moment.",
    unknown: () => "Being recorded. It can be played when it has ended.",
  },
  /** Whether what the reader says now is recorded. @type {Record<import("../state/cleaning.js").OwnNow, string>} */
  now: {
    none: "",
    recorded: "You are on air. What you say now is recorded.",
    not_recorded: "You are on air. What you say now is not recorded.",
    full: "You are on air, but no longer recorded: the server's disk is full.",
    failed: "You are on air, but no longer recorded: the server cannot write it.",
    waiting: "Your broadcast waits until you are back. Its recording goes on with silence.",
    away: "The server does not answer. Nothing is recorded until it is back.",
  },

  rename: "Change the title",
  title: "Title",
  save: "Save",
  cancel: "Cancel",
  renamed: "Title changed.",
  /** @param {string} reason the server's: a phrase without subject */
  refused: (reason) => `The title ${reason}.`,
  blank: "A title has at least one letter, digit or sign.",

  remove: "Delete",
  undo: "Undo",
  deleted: "Deleted.",
  /** @param {string} title */
  deletedSaid: (title) => `${title} is deleted. Undo is there for ten seconds.`,
  /** @param {string} title */
  restored: (title) => `${title} is back.`,
  /** @param {string} title @param {string} trouble a sentence */
  notDeleted: (title, trouble) => `${title} is not deleted. ${trouble}`,

  library: "Library",
  /** @param {string} used @param {string | null} quota @param {number | null} days */
  storage(used, quota, days) {
    const room = quota === null ? `${used} used.` : `${used} of ${quota} used.`;
    return days === null ? room : `${room} Each recording is kept for ${number(days)} days.`;
  },
};
