/** Units as they are written in the page's language, and the locale of its numbers and dates. */

/** The language that these words are in (BCP 47). */
export const LANGUAGE = "en";

/** The person's own locale where it is of the page's language (14 July or July 14), else the language alone. @returns {string} */
export function locale() {
  return (globalThis.navigator?.languages ?? []).find((each) => each.split("-")[0] === LANGUAGE) ?? LANGUAGE;
}

/** @param {number} value @param {number} [digits] behind the point */
const number = (value, digits = 0) => new Intl.NumberFormat(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);

export const units = {
  /** @param {number} value */
  seconds: (value) => `${number(value)} s`,
  /** @param {number} value */
  minutes: (value) => `${number(value)} min`,
  /** @param {number} hours @param {number} minutes */
  hours: (hours, minutes) => (minutes ? `${number(hours)} h ${number(minutes)} min` : `${number(hours)} h`),
  /** @param {number} value */
  kilobytes: (value) => `${number(value)} kB`,
  /** @param {number} value */
  megabytes: (value) => `${number(value, 1)} MB`,
  /** @param {number} value */
  gigabytes: (value) => `${number(value, 1)} GB`,
};
