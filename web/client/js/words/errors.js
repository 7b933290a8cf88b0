/** What the page says where something went wrong: what happened, what is safe, what to do. */

import { capitalised } from "../page/format.js";

/** @typedef {import("../state/types.js").Trouble} Trouble */

/** @type {Record<string, (trouble: Trouble) => string>} */
const TROUBLES = {
  insecure: () => "This address has no HTTPS, so the browser gives no microphone. Listening works. Open the https address of this server to talk.",
  refused: () => "The microphone is not allowed here. Allow it in the address bar of the browser, then try again.",
  no_microphone: () => "No microphone found. Plug one in, then try again.",
  busy_microphone: () => "The microphone does not open. Perhaps another program holds it. Close that, then try again.",
  unplugged: () => "The microphone was unplugged. Plug it in again or choose another one.",
  no_udp: (trouble) => `UDP ${trouble.port ?? 8081} is not open on the server. No sound gets through until it is. Whoever hosts this has to open that port.`,
  no_dtls: () => "The server was reached, but no safe connection could be made. Try again; if it stays so, tell whoever hosts this.",
  offline: () => "The server does not answer. What is recorded is safe. Check your network, then try again.",
  taken_over: () => "Another tab or device has taken over. Your friends hear that one.",
  ended: () => "The broadcast was ended. What was recorded is in your library.",
  draining: () => "The server is restarting. What is recorded is safe. Try again in a minute.",
  not_friends: () => "You are not friends, so this is not for you to hear.",
  not_live: () => "Nobody is on air there now.",
  not_signed_in: () => "You are signed out. Sign in again.",
  unplayable: () => "This browser cannot play the recording. Download it instead.",
  no_autoplay: () => "The browser waits for a click before it plays.",
  storage_full: () => "The disk of the server is full. Tell whoever hosts this. What is there can be heard.",
  database_busy: () => "The server is busy with its database. Try again in a moment.",
  database_away: () => "The server cannot use its database. Tell whoever hosts this.",
  storage_away: () => "The store of recordings does not answer. Nothing is lost. Try again in a moment.",
  node_away: () => "The server that has this does not answer. Try again in a moment.",
  bad_credentials: () => "Name or password is wrong.",
  too_many_attempts: () => "Too many attempts. Wait a minute, then try again.",
  username_taken: () => "That name is taken.",
  already_friends: () => "You are friends already.",
  already_requested: () => "You have asked already. As soon as they accept, you hear each other.",
  already_answered: () => "That request has been answered or withdrawn already.",
  limit_reached: () => "You have as many of these as one account may have. Remove one first.",
  registration_closed: () => "New accounts are made by invitation here. Ask a friend for a link.",
  no_such_user: () => "There is nobody of that name here.",
  suspended: () => "This account is suspended. Ask whoever hosts this.",
};

const LOST = "Something went wrong. Nothing that was recorded is lost. Try again.";

/** The sentence for a trouble. @param {Trouble} trouble @returns {string} */
export function troubleText(trouble) {
  return TROUBLES[trouble.code]?.(trouble) ?? (capitalised(trouble.detail) || LOST);
}

/** A field's error as a sentence; the server's reason is a phrase without subject ("must have 3 to 32 characters"). @param {string} reason */
export function fieldText(reason) {
  return `This ${reason}.`;
}

export const errors = {
  away: "The server does not answer. Trying again.",
  empty: "Please fill this in.",
};
