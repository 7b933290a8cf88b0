/** What the settings say. */

export const settings = {
  title: "Settings",
  appearance: "Colours",
  themes: "Which colours?",
  system: "As the system",
  light: "Light",
  dark: "Dark",
  speaker: "Loudspeaker",
  speakerHint: "Where friends and recordings are heard. Kept in this browser.",
  systemSpeaker: "As the system",
  /** @param {number} number */
  speakerNumber: (number) => `Loudspeaker ${number}`,
  speakerUnnamed: "The browser tells the names once the microphone is allowed.",
  speakerGone: "That loudspeaker is not there. The system's is used.",
  keyboard: "Keyboard",
  keyboardHint: "Space plays and listens, M mutes, D turns Denoise. Press ? to see them all.",
  keys: "Single keys",
  connection: "Connection",
  connectionHint: "Sound does not get through?",
  connectionTest: "Test it from here",
};

export const password = {
  title: "Password",
  old: "Password now",
  fresh: "New password",
  hint: "At least 8 characters. All other browsers are signed out, and companion devices.",
  revoke: "Also revoke tokens, links, invites and codes",
  change: "Change the password",
  wrong: "That is not your password.",
  changed: "The password is changed. All other browsers are signed out.",
};

export const logins = {
  title: "Signed in",
  here: "This browser",
  unknown: "Unknown program",
  /** @param {string} program @param {string} address @param {string} when */
  row: (program, address, when) => (address ? `${program}, ${address}, since ${when}` : `${program}, since ${when}`),
  end: "Sign out",
};

export const lists = {
  /** @param {string} verb @param {string} what */
  act: (verb, what) => `${verb}: ${what}`,
  revoke: "Revoke",
  address: "Show the address",
  lost: "The server does not tell this list now. Try again in a moment.",
  /** @param {string} day @param {string} time */
  when: (day, time) => `${day}, ${time}`,
};

export const invites = {
  title: "Invites",
  hint: "Whoever opens an invite is your friend at once.",
  none: "No invites.",
  make: "Make an invite",
  yours: "Your invite",
  /** @param {{made: string, used: number, uses: number | null, until: string | null}} invite */
  row: ({ made, used, uses, until }) => {
    const count = uses === null ? `used ${used} ${used === 1 ? "time" : "times"}` : `used ${used} of ${uses}`;
    return until ? `Made ${made}, ${count}, good until ${until}` : `Made ${made}, ${count}`;
  },
};

export const blocks = {
  title: "Blocked people",
  hint: "They can neither hear nor ask you, and are not told.",
  none: "Nobody.",
  unblock: "Unblock",
};

export const links = {
  title: "Listen links",
  hint: "Whoever has such a link hears you live, without an account.",
  none: "No links.",
  make: "Make a listen link",
  yours: "Your listen link",
  text: "Whoever opens it hears you whenever you are live, until you revoke it.",
  /** @param {string} made @param {string | null} until */
  row: (made, until) => (until ? `Made ${made}, good until ${until}` : `Made ${made}`),
};

export const tokens = {
  title: "Tokens",
  hint: "For other programs: OBS or FFmpeg publish with one.",
  reference: "What programs can ask this server",
  none: "No tokens.",
  name: "Name of the program",
  may: "It may",
  scopes: { publish: "publish", listen: "listen", metrics: "metrics" },
  noScope: "Choose what it may do.",
  make: "Make a token",
  yours: "Your new token",
  once: "It is shown only now. Keep it like a password.",
  /** @param {string} name @param {readonly string[]} scopes */
  row: (name, scopes) => `${name} (${scopes.join(", ")})`,
};

export const ending = {
  title: "End",
  open: "Delete my account",
  ask: "Delete your account?",
  password: "Password",
  text: "Your account, your friendships and all your recordings are deleted. There is no way back.",
  owner: "You own this server. Where others have an account here, name who owns it after you.",
  next: "Next owner",
  /** What is wrong with the next owner, by the code of the problem. @type {Record<string, string>} */
  refused: {
    name_an_owner: "Others have accounts here. Name who owns the server after you.",
    no_such_user: "There is nobody of that name here.",
    suspended: "That account is suspended. Name another one.",
  },
  keep: "Cancel",
  yes: "Delete everything",
};
