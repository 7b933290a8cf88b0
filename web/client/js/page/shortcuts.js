/** Single-key shortcuts. They can be switched off, and do nothing while text is typed. */

/** @param {EventTarget | null} target whether it uses the key itself @param {string} key */
export function wantsKey(target, key) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.closest("dialog, input, select, textarea, [contenteditable]")) return true;
  return key === " " && target.closest("button, a, summary, [role=slider]") !== null;
}

/** The action of a key on this page, or null. @param {string} key @param {import("../state/types.js").State} state @returns {"listen" | "play" | "mute" | "denoise" | "help" | null} */
export function actionOf(key, state) {
  if (key === "?") return "help";
  if (!state.keys || !state.me) return null;
  if (key === " ") return state.route.page === "user" && (state.listening.phase !== "off" || state.statuses[state.route.name ?? ""]?.live) ? "listen" : state.player.recording ? "play" : null;
  if (key.toLowerCase() === "m") return "mute";
  if (key.toLowerCase() === "d") return "denoise";
  return null;
}
