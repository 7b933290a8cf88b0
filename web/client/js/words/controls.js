/** What the shared controls say of themselves. */

export const controls = {
  streaming: "Streaming",
  offline: "Offline",
  /** @param {string} label @param {string} unit */
  valueOf: (label, unit) => `${label}, ${unit}`,
};
