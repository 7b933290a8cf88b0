/** The colours of the drawings, from the style sheet; system colours where the person forces them. */

/** @typedef {{voice: string, noise: string, line: string, ink: string}} Colours */

const queries = ["(prefers-color-scheme: dark)", "(forced-colors: active)"];

/** @returns {Colours} */
function read() {
  const style = getComputedStyle(document.documentElement);
  /** @param {string} name */
  const colour = (name) => style.getPropertyValue(`--${name}`).trim() || "CanvasText";
  return { voice: colour("voice"), noise: colour("noise"), line: colour("line"), ink: colour("ink") };
}

/** @type {Colours | null} */
let known = null;

/** @returns {Colours} */
export function colours() {
  if (known) return known;
  known = read();
  for (const query of queries) {
    matchMedia(query).addEventListener("change", () => {
      known = null;
    }, { once: true });
  }
  return known;
}

/** Make the canvas as fine as the screen is; true where it had to be changed. @param {HTMLCanvasElement} canvas */
export function fit(canvas) {
  const scale = globalThis.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (!width || !height || (canvas.width === width && canvas.height === height)) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}
