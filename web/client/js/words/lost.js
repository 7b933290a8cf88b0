/** What the page says to who has lost a password, and of the way to the owner's page. */

export const serverWords = { title: "This server", link: "Server" };

export const lost = {
  title: "Set a new password",
  /** @param {string} name */
  lead: (name) => `For the account ${name}. All its browsers are signed out then.`,
  bad: "This link was used, is older than a day, or is unknown. Ask whoever hosts this for another one.",
  fresh: "New password",
  hint: "At least 8 characters.",
  set: "Set the password",
  done: "The password is set. Sign in with it.",
  recover: "Use a recovery code",
  code: "Recovery code",
  wrong: "Name or recovery code is wrong, or the code was used.",
  back: "Sign in with the password",
};

export const codes = {
  title: "Recovery codes",
  hint: "For the day you lose the password: each code sets a new one, once.",
  /** @param {number} left */
  left: (left) => (left ? `${left} of 10 are unused.` : "You have none."),
  make: "Make ten codes",
  ask: "Make recovery codes?",
  text: "Codes made before stop working.",
  yes: "Make them",
  yours: "Your recovery codes",
  once: "They are shown only now. Write them down, away from this device.",
};
