/** Numbers and times in words people read. Pure. */

/** 0:07, 12:03, 1:02:03. @param {number} seconds @returns {string} */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const rest = String(whole % 60).padStart(2, "0");
  const minutes = Math.floor(whole / 60) % 60;
  const hours = Math.floor(whole / 3600);
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** "8 s", "42 min", "2 h 5 min": a length in a sentence. @param {number} seconds */
export function span(seconds) {
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`; // as the clock beside it
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
}

/** How much of a recording was cleaned, as its listeners heard it. @param {{denoised: boolean, denoised_share: number}} recording */
export function cleaned({ denoised, denoised_share }) {
  if (!denoised) return "Raw only";
  if (denoised_share >= 0.995) return "Clean and raw";
  return `${Math.max(1, Math.round(denoised_share * 100))} % clean, and raw`;
}

/** The minute of a day: 20:14. @param {string} at RFC 3339 @param {string} [locale] */
export function minute(at, locale) {
  return new Date(at).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit", hour12: false });
}

/** "today", "yesterday", "Tuesday", "3 March", "3 March 2024". @param {string} at @param {Date} [now] @param {string} [locale] */
export function day(at, now = new Date(), locale = undefined) {
  const then = new Date(at);
  const ago = Math.round((midnight(now) - midnight(then)) / 86_400_000);
  if (ago === 0) return "today";
  if (ago === 1) return "yesterday";
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
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`;
  return bytes < 1_000_000_000 ? `${(bytes / 1_000_000).toFixed(1)} MB` : `${(bytes / 1_000_000_000).toFixed(1)} GB`;
}

/** "3 listening: Ada, Ben, Cem". @param {number} count @param {readonly string[] | null} names */
export function listening(count, names) {
  if (!count) return "Nobody is listening yet.";
  return names?.length ? `${count} listening: ${called(count, names).join(", ")}` : `${count} listening`;
}

/** Who listens, as one speaks of them: whoever came by a link ("link:7", which no username can be) has no name. @param {number} count @param {readonly string[]} names */
export function called(count, names) {
  const known = names.filter((name) => !name.startsWith("link:"));
  if (known.length === names.length) return known;
  return [...known, count - known.length > 1 ? "guests" : "a guest"];
}

/** First letter up. @param {string} text */
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The names by which people know the denoisers. @param {string} name */
export function denoiserName(name) {
  /** @type {Record<string, string>} */
  const known = {
    deepfilternet3: "DeepFilterNet 3", deepfilternet3_ll: "Quickest (DeepFilterNet 3, low delay)", deepfilternet2: "DeepFilterNet 2", deepfilternet2_ll: "DeepFilterNet 2, low delay",
    rnnoise: "RNNoise", passthrough: "None (pass through)",
  };
  return known[name] ?? name;
}
