/** What the page says to the owner of the server; loaded with views/admin.js. */

export const admin = {
  accounts: "Accounts",
  find: "Part of a name",
  nobody: "Nobody is called like that.",
  more: "Show more",
  menu: "More",
  /** @param {string} name */
  menuOf: (name) => `More: what to do with ${name}`,
  owner: "Owner",
  suspended: "Suspended",
  /** @param {string} since @param {string | null} seen @param {number} count @param {string} size */
  row: (since, seen, count, size) => [`Here since ${since}`, seen ? `seen ${seen}` : "not signed in", count ? `${count} ${count === 1 ? "recording" : "recordings"}, ${size}` : ""].filter(Boolean).join(", "),
  reset: {
    do: "Reset the password",
    /** @param {string} name */
    ask: (name) => `Make a link that sets a new password for ${name}?`,
    text: "It works once, within a day. Nothing changes until it is used; then all their browsers are signed out. A link made before stops working.",
    yes: "Make the link",
    yours: "The link",
    give: "Give it to them and to nobody else. It is shown only now.",
  },
  logout: {
    do: "Sign out everywhere",
    /** @param {string} name */
    ask: (name) => `Sign ${name} out everywhere?`,
    text: "All their browsers are signed out, and what they send or hear by them ends.",
    yes: "Sign out",
    /** @param {string} name */
    done: (name) => `${name} is signed out everywhere.`,
  },
  suspend: {
    do: "Suspend",
    /** @param {string} name */
    ask: (name) => `Suspend ${name}?`,
    text: "Their broadcast ends at once, and nobody can sign in to the account. Nothing is deleted; you can lift it again.",
    yes: "Suspend",
    /** @param {string} name */
    done: (name) => `${name} is suspended.`,
  },
  lift: {
    do: "Lift the suspension",
    /** @param {string} name */
    ask: (name) => `Let ${name} in again?`,
    text: "The account works again as before.",
    yes: "Lift it",
    /** @param {string} name */
    done: (name) => `${name} may come in again.`,
  },
  remove: {
    do: "Remove",
    /** @param {string} name */
    ask: (name) => `Remove ${name}?`,
    text: "The account, its friendships and all its recordings are deleted. There is no way back.",
    yes: "Remove for good",
    /** @param {string} name */
    done: (name) => `${name} is removed.`,
  },
  own: {
    do: "Make them the owner",
    /** @param {string} name */
    ask: (name) => `Hand the server over to ${name}?`,
    text: "They own the server then, and you do not see this page any more. Only they can hand it back.",
    yes: "Hand it over",
    /** @param {string} name */
    done: (name) => `${name} owns the server now.`,
  },
  air: "On air",
  quiet: "Nobody is on air.",
  /** @param {string} since @param {number} listeners @param {string} denoising @param {string | null} cost @param {string} node */
  airRow: (since, listeners, denoising, cost, node) => [`since ${since}`, `${listeners} listening`, denoising, cost ?? "", node ? `at ${node}` : ""].filter(Boolean).join(", "),
  /** @param {number} cores */
  cost: (cores) => `${cores.toFixed(2)} processors`,
  invites: "Invites of all",
  noInvites: "No invites.",
  /** @param {string} made @param {number} used @param {number | null} uses */
  invite: (made, used, uses) => `made ${made}, used ${used}${uses === null ? "" : ` of ${uses}`}`,
  system: "The machine",
  /** @param {string} taken @param {string} cores @param {string} up */
  load: (taken, cores, up) => `Running for ${up}. ${taken} of ${cores} processors are taken.`,
  /** @param {string} free @param {string} size */
  disk: (free, size) => `${free} of ${size} are free on the disk.`,
  /** @type {Record<string, (end: string) => string>} */
  certificates: {
    "self-signed": (end) => `The certificate is this server's own, good until ${end}; browsers warn of it.`,
    files: (end) => `The certificate is good until ${end}.`,
    acme: (end) => `The certificate is good until ${end} and is renewed by itself.`,
  },
  /** @param {string} at @param {string} why */
  noCertificate: (at, why) => `No new one was given ${at}: ${why}.`,
  models: "Denoisers",
  ready: "ready",
  versions: "Versions",
  storage: "Who stores most",
  empty: "Nothing is stored.",
  /** @param {number} count @param {string} size */
  held: (count, size) => `${size} in ${count} ${count === 1 ? "recording" : "recordings"}`,
  warnings: "Last warnings",
  calm: "None since the start.",
  log: "What was done",
  logHint: "The newest ten thousand acts are kept. `run.py log audit` prints them too.",
  noActs: "Nothing yet.",
  host: "The command line",
  /** @type {Record<string, (who: string, whom: string) => string>} */
  acts: {
    reset_link: (who, whom) => `${who} made a reset link for ${whom}`,
    password: (who, whom) => `${who} set a password for ${whom}`,
    suspended: (who, whom) => `${who} suspended ${whom}`,
    readmitted: (who, whom) => `${who} let ${whom} in again`,
    removed: (who, whom) => `${who} removed ${whom}`,
    logged_out: (who, whom) => `${who} signed ${whom} out everywhere`,
    owner: (who, whom) => `${who} made ${whom} the owner`,
  },
  /** @param {string} day @param {string} time */
  when: (day, time) => `${day}, ${time}`,
};
