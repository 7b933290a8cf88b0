/** Formats numbers, times and names for people. Pure. */

import { locale as ownLocale, units } from "../words/units.js";

/** 0:07, 12:03, 1:02:03. @param {number} seconds @returns {string} */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const rest = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** "8 s", "42 min", "2 h 5 min": a duration in a sentence. @param {number} seconds */
export function span(seconds) {
  if (seconds < 60) return units.seconds(Math.max(0, Math.floor(seconds))); // rounded down like clock()
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? units.minutes(minutes) : units.hours(Math.floor(minutes / 60), minutes % 60);
}

/** The time of day: 20:14. @param {string} at RFC 3339 @param {string} [locale] */
export function minute(at, locale = ownLocale()) {
  return new Date(at).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", hour12: false });
}

/** "today", "yesterday", "Tuesday", "3 March", "3 March 2024". @param {string} at @param {Date} [now] @param {string} [locale] */
export function day(at, now = new Date(), locale = ownLocale()) {
  const then = new Date(at);
  const ago = Math.round((midnight(now) - midnight(then)) / 86_400_000);
  if (ago === 0 || ago === 1) return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-ago, "day");
  if (ago > 1 && ago < 7) return then.toLocaleDateString(locale, { weekday: "long" });
  const year = then.getFullYear() === now.getFullYear() ? undefined : "numeric";
  return then.toLocaleDateString(locale, { day: "numeric", month: "long", year });
}

/** @param {Date} date */
function midnight(date) {
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1_000_000) return units.kilobytes(bytes / 1000);
  return bytes < 1_000_000_000 ? units.megabytes(bytes / 1_000_000) : units.gigabytes(bytes / 1_000_000_000);
}

/** "3 listening: Ada, Ben, Cem". @param {number} count @param {readonly string[] | null} names */
export function listenersText(count, names) {
  if (!count) return "Nobody is listening yet.";
  return names?.length ? `${count} listening: ${listenerNames(count, names).join(", ")}` : `${count} listening`;
}

/** The names of the listeners; those who came by a listen link ("link:7") are called guests. @param {number} count @param {readonly string[]} names */
export function listenerNames(count, names) {
  const known = names.filter((name) => !name.startsWith("link:"));
  if (known.length === names.length) return known;
  return [...known, count - known.length > 1 ? "guests" : "a guest"];
}

/** The text with a capital first letter. @param {string} text */
export function capitalised(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The display name of a denoiser. @param {string} name */
export function denoiserName(name) {
  /** @type {Record<string, string>} */
  const known = {
    deepfilternet3: "DeepFilterNet 3", deepfilternet3_ll: "Quickest (DeepFilterNet 3, low delay)", deepfilternet2: "DeepFilterNet 2", deepfilternet2_ll: "DeepFilterNet 2, low delay",
    rnnoise: "RNNoise", passthrough: "None (pass through)",
  };
  return known[name] ?? name;
}
