/** What a companion device's page and its invitation say. */

export const invite = {
  /** @type {Record<"remote" | "practice", {title: string, sentence: string}>} */
  kinds: {
    remote: { title: "Phone as a remote", sentence: "Scan this with your phone: it can mute you, turn Denoise, and stop." },
    practice: { title: "Chords and practice", sentence: "Scan this with your phone: the chords and practice marks that you press there become chapters of the recording." },
  },
  square: "A square to scan with the phone",
  open: "Or open this link on the other device",
  close: "Close",
  /** @param {number} phones */
  connected: (phones) => (phones < 1 ? "No phone yet." : phones === 1 ? "Your phone is connected." : `${phones} phones are connected.`),
  /** While off air. @param {number} phones */
  early: (phones) => (phones === 1 ? "Your phone is connected, and in use once you are on air." : `${phones} phones are connected, and in use once you are on air.`),
};

export const remote = {
  title: "Remote",
  practiceTitle: "Chords and practice",
  connecting: "Connecting.",
  lost: "Connection lost. Trying again.",
  over: "This session is over. Open a new one on the computer.",
  wrongCode: "That code is not right. Scan the square on the computer again.",
  live: "You are on air. What you press here happens on the computer.",
  liveMuted: "You are on air, and muted.",
  liveMarks: "You are on air. Friends see what you press here, and a recording keeps it as a chapter.",
  ended: "The broadcast has ended.",
  quiet: "Connected. You are not on air; this wakes up when you are.",
  quietMarks: "Connected. You are not on air, so nothing is kept of what you press.",
  /** Those of the session, this one included: usually the computer and this phone. @param {number} devices */
  devices: (devices) => (devices === 1 ? "No other device is connected. Open your studio on the computer." : devices === 2 ? "" : `${devices - 1} other devices are connected.`),
  denoise: "Denoise",
  mute: "Mute",
  stop: "Stop",
  stopLabel: "Stop Streaming",
  control: "Remote control",
  chords: "Chords",
  startPractice: "Start practice",
  endPractice: "End practice",
};
