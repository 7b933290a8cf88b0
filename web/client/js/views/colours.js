/** The colours of canvas drawings, read from the style sheet, which has the chosen theme's, or the system's in forced-colours mode. */

/** @typedef {{voice: string, noise: string, line: string, ink: string}} Colours */

const QUERIES = ["(prefers-color-scheme: dark)", "(forced-colors: active)"];

/** Calls everybody who has drawn with colours when they change. */
class Watch {
  constructor() {
    /** @type {Colours | null} */
    this.known = null;
    /** @type {Set<() => void>} */
    this.followers = new Set();
    this.watching = false;
  }

  begin() {
    if (this.watching) return;
    this.watching = true;
    const changed = () => {
      this.known = null;
      for (const run of this.followers) run();
    };
    for (const query of QUERIES) matchMedia(query).addEventListener("change", changed);
    new MutationObserver(changed).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }
}

const watch = new Watch();

/** @returns {Colours} */
function read() {
  const style = getComputedStyle(document.documentElement);
  /** @param {string} name */
  const colour = (name) => style.getPropertyValue(`--${name}`).trim() || "CanvasText";
  return { voice: colour("voice"), noise: colour("noise"), line: colour("line"), ink: colour("ink") };
}

/** @returns {Colours} */
export function colours() {
  watch.begin();
  watch.known ??= read();
  return watch.known;
}

/** Draw again whenever the colours change; the returned function ends that. @param {() => void} run @returns {() => void} */
export function followColours(run) {
  watch.begin();
  watch.followers.add(run);
  return () => void watch.followers.delete(run);
}

/** Match the canvas to the screen's resolution; true if its size changed. @param {HTMLCanvasElement} canvas */
export function fitToScreen(canvas) {
  const scale = globalThis.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (!width || !height || (canvas.width === width && canvas.height === height)) return false;
  canvas.width = width;
  canvas.height = height;
  return true;
}
