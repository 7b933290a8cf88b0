/** Single-key shortcuts; off where the person says so, and never while something is typed. */

/** @param {EventTarget | null} target does it want the key itself? @param {string} key */
export function isTaken(target, key) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest("dialog, input, select, textarea, [contenteditable]")) return true;
  return key === " " && target.closest("button, a, summary, [role=slider]") !== null;
}

/** What a key means on this page, or null. @param {string} key @param {import("../state/types.js").State} state @returns {"listen" | "play" | "mute" | "denoise" | "help" | null} */
export function meaning(key, state) {
  if (key === "?") return "help";
  if (!state.keys || !state.me) return null;
  if (key === " ") return state.route.page === "user" && (state.ear.phase !== "off" || state.statuses[state.route.name ?? ""]?.live) ? "listen" : state.player.recording ? "play" : null;
  if (key.toLowerCase() === "m") return "mute";
  if (key.toLowerCase() === "d") return "denoise";
  return null;
}
