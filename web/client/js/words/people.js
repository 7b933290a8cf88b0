/** What the page says about people: friends, requests, invites, who is on air, signing in. Whole sentences only. */

import { LANGUAGE } from "./units.js";

/** "Ada, Ben and Cem". @param {readonly string[]} names */
const listed = (names) => new Intl.ListFormat(LANGUAGE, { type: "conjunction" }).format(names);

export const people = {
  beside: "Friends and ways",
  you: "You",
  friends: "Friends",
  none: "No friends here yet. Find one by name, or send an invite.",
  away: "The server does not answer. Trying again.",
  noNetwork: "You have no network.",
  back: "The server answers again.",
  home: "Home",
  studio: "Your studio",
  library: "Library",
  settings: "Settings",
  signOut: "Sign out",
  signOutTitle: "Sign out while you are on air?",
  signOutText: "Your broadcast ends with it. What was recorded is kept.",
  signOutYes: "Stop and sign out",
  streaming: "Streaming",
  waiting: "Waiting",
  offline: "Offline",
  hears: "Listening to you",
  /** @param {number} live @param {number} asking */
  count: (live, asking) => [live ? `${live} live` : "", asking ? `${asking} new` : ""].filter(Boolean).join(", "),
  /** @param {string} name */
  asks: (name) => `${name} asks to be friends.`,
  /** @param {string} name */
  wentLive: (name) => `${name} is streaming.`,
  /** @param {string} name */
  wentOff: (name) => `${name} is off air.`,
  find: "Find somebody",
  name: "Name",
  search: "Search",
  invite: "Invite a friend",
  inviteText: "Whoever opens this link is your friend at once, and makes an account first where there is none.",
  skip: "Skip to the page",
  /** The page's title. @param {string} page @param {readonly string[]} live friends who are on air */
  title: (page, live) => {
    const place = page === "Hushcast" ? page : `${page} – Hushcast`;
    if (!live.length) return place;
    return live.length === 1 ? `${live[0]} is live – ${place}` : `${live.length} live – ${place}`;
  },
};

export const requests = {
  label: "Friend requests",
  /** @param {string} name */
  asking: (name) => `${name} asks to be friends.`,
  accept: "Accept",
  /** @param {string} name */
  acceptLabel: (name) => `Accept ${name}`,
  reject: "Not now",
  /** @param {string} name */
  rejectLabel: (name) => `Not now: ${name}`,
  asked: "You have asked",
  /** @param {string} name */
  outgoing: (name) => `You have asked ${name}.`,
  withdraw: "Withdraw",
  /** @param {string} name */
  withdrawLabel: (name) => `Withdraw the request to ${name}`,
  /** @param {string} name */
  accepted: (name) => `${name} is your friend.`,
  /** @param {string} name */
  rejected: (name) => `You have not accepted ${name}.`,
  withdrawn: "Your request is withdrawn.",
};

export const home = {
  title: "Home",
  /** @param {readonly string[]} names */
  lead: (names) => {
    if (!names.length) return "Nobody is on air";
    if (names.length > 3) return `${names.length} friends are on air`;
    return names.length === 1 ? `${names[0]} is on air` : `${listed(names)} are on air`;
  },
  looking: "Looking who is on air",
  unknown: "It is not known who is on air",
  /** @param {readonly string[]} names who were on air when the server last answered */
  before: (names) => (names.length ? `Before that, ${listed(names)} ${names.length === 1 ? "was" : "were"} on air.` : ""),
  quiet: "When a friend goes live, it says so here.",
  first: "Find a friend by name, or send an invite. When they go live, it says so here.",
  air: "On air",
  live: "LIVE",
  /** @param {string} time */
  since: (time) => `since ${time}`,
  sounds: { clean: "Clean", raw: "Raw" },
  /** @type {Record<"on" | "off" | "full" | "failed", string>} */
  recorded: { on: "recorded", off: "not recorded", full: "no longer recorded", failed: "no longer recorded" },
  muted: "Muted for now",
  away: "Their connection dropped; they may come back",
  start: "Start Listening",
  /** @param {string} name */
  startLabel: (name) => `Start Listening to ${name}`,
  stop: "Stop Listening",
  /** @param {string} name */
  stopLabel: (name) => `Stop Listening to ${name}`,
  studio: "Your studio",
  off: "You are off air. Nothing is sent before you start.",
  /** @param {string} time */
  on: (time) => `You are on air since ${time}.`,
  onMuted: "You are on air, and muted.",
  parked: "Your broadcast waits for you.",
  notTold: "It is not known whether you are on air.",
  open: "Open your studio",
};

export const search = {
  title: "Find somebody",
  name: "Name",
  found: "People found",
  /** @param {string} name */
  askLabel: (name) => `Ask ${name} to be friends`,
  /** @param {string} wanted */
  nobody: (wanted) => `Nobody here is called anything like “${wanted}”. You can send an invite instead.`,
  unblock: "Unblock",
  /** @param {string} name */
  unblocked: (name) => `${name} is not blocked any more.`,
  /** @param {string} name */
  unblockLabel: (name) => `Unblock ${name}`,
  /** @type {Record<string, string>} */
  relations: { friend: "Your friend", outgoing: "You have asked", incoming: "Asks to be friends", blocked: "Blocked", self: "You" },
};

export const signing = {
  username: "Username",
  usernameHint: "3 to 32 letters, digits, or _ . -",
  password: "Password",
  passwordHint: "At least 8 characters.",
  register: "Register",
  logIn: "Log in",
  join: "Join Hushcast",
  house: "Hushcast",
  lead: "Talk, and your friends hear you. The noise stays behind.",
  expired: "You were signed out. Sign in, and you are back where you were.",
  have: "I have an account",
  noAccount: "No account yet?",
  /** @param {string} name @param {boolean} fresh */
  invited: (name, fresh) => (fresh ? `${name} invites you. With an account you hear each other at once.` : `${name} invites you. Log in, and you hear each other at once.`),
  own: "You will own this server. Choose your name and password.",
  ownLater: "Log in, and this server can be yours.",
};

export const invite = {
  title: "An invite",
  looking: "Looking who invites you.",
  /** @param {string} name */
  heading: (name) => `${name} invites you`,
  /** @param {string} name @param {string} me */
  text: (name, me) => `You are signed in as ${me}. As friends, you and ${name} hear each other at once.`,
  /** @param {string} name */
  accept: (name) => `Be friends with ${name}`,
  /** @param {string} name */
  accepted: (name) => `${name} is your friend.`,
  /** @param {string} name */
  friends: (name) => `${name} is your friend already.`,
  own: "This is your own invite. Send it to a friend.",
  bad: "This invite is used up, expired or unknown. Ask for a new one.",
  later: "Not now",
  home: "Go to the start",
};

export const addresses = {
  here: "This address leads here on this computer only.",
  certificate: "The browser there will warn about the certificate first: it is this server's own.",
};

export const claim = {
  title: "Own this server",
  /** @param {string} me */
  lead: (me) => `Nobody owns this server yet. You are signed in as ${me}.`,
  own: "Make this account the owner",
  later: "Not now",
  home: "Go to the start",
  owned: "You own this server.",
};

export const nowhere = {
  title: "Nothing here",
  text: "This address leads nowhere.",
  home: "Go to the start",
};

export const frame = {
  logo: "Hushcast, home",
  outdated: "The server has a new version of this page. It is loaded when you are off air, listen to nothing and type nothing.",
  newer: "The server has a new version of this page.",
  reloaded: "The server has a new version of this page. It was reloaded.",
  reload: "Reload now",
  keep: "Keep it so",
  copy: "Copy",
  copied: "Copied",
  close: "Close",
  note: "Note",
  closeNote: "Close this note",
  keys: "Keys",
  /** @type {[string, string][]} */
  keyList: [["Space", "Listen or leave on a friend's page; play or pause a recording"], ["M", "Mute: your microphone on air, else what you hear"],
    ["D", "Denoise on or off on air; Clean or Raw of what you hear"], ["Left, Right", "5 seconds in an opened recording"], ["A, B", "Clean, Raw of an opened recording"], ["?", "This list"]],
  keysOn: "They can be switched off in the settings.",
  keysOff: "They are switched off now; the settings turn them on.",
};
