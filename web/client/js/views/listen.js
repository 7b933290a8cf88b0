/** A friend's page: live, quiet, or not a friend yet. */

import { api, asProblem } from "../server/api.js";
import { attribute, h, say, show } from "../page/dom.js";
import { minute, sentence } from "../page/format.js";
import { hearingParts } from "../rtc/latency.js";
import { quietText } from "../page/titles.js";
import { troubleText, uncleanedText } from "../page/messages.js";
import { badge, button, confirm, segmented, slider } from "./controls.js";
import { latencyBar } from "./details.js";
import { recordings } from "./recordings.js";
import { ribbon } from "./ribbon.js";

/** @typedef {import("../state/types.js").State} State */
/** @typedef {import("../state/types.js").Status} Status */
/** @typedef {import("../state/types.js").Relation} Relation */

/**
 * @param {import("../state/app.js").App} app @param {string} name
 * @param {string} [token] of a listen link: no account, no recordings
 * @param {{live: boolean}} [known] what the link's page was told last; it is told no status
 */
export function listen(app, name, token, known) {
  /** @type {Relation | "unknown" | "nobody"} */
  let relation = token ? "friend" : "unknown";
  const head = header(name);
  const stage = ribbon(() => moment(app, name), `The sound of ${name}`);
  const message = h("p", { class: "message" });
  const desk = listenDesk(app, name, token);
  const stranger = strangerPart(app, name, () => void find());
  const list = recordings(app, () => name);
  const shelfPart = h("section", { class: "shelf", "aria-label": `Recordings of ${name}` }, h("h2", null, "Recordings"), list.root);
  const ends = friendEnds(app, name);
  const stageBox = h("div", { class: "stage" }, stage.root);
  const root = h("article", { class: "listen" }, head.root, stageBox, message, desk.root, stranger.root, shelfPart, ends);
  /** @type {(() => void) | null} */
  let unwatch = null;

  let closed = false;
  /** What are we to each other? */
  const find = async () => {
    relation = await relationTo(app, name);
    if (closed) return;
    if (relation === "friend" || relation === "self") {
      unwatch ??= app.broadcastSockets.watch(name);
      await Promise.all([app.refreshStatus(name), app.recordings.load(name)]);
    }
    update(app.state);
  };

  let friendly = false;
  /** @param {State} state */
  const update = (state) => {
    const among = Boolean(state.friends?.some((friend) => friend.username === name));
    if (!token && among !== friendly) {
      friendly = among;
      if (among !== (relation === "friend")) void find();
    }
    const mine = relation === "friend" || relation === "self";
    const status = state.statuses[name];
    const live = token ? Boolean(known?.live) || state.ear.phase !== "off" : Boolean(status?.live);
    head.update(status, live, mine);
    show(stageBox, mine);
    say(message, mine ? listenText(state, name, status, live, Boolean(token)) : "");
    attribute(message, "class", state.ear.trouble && state.ear.name === name ? "message wrong" : "message");
    desk.update(state, mine && (live || Boolean(token) || isHeard(state, name)));
    stranger.update(relation);
    show(shelfPart, mine && !token);
    show(ends, relation === "friend" && !token);
    list.update(state);
  };
  if (!token) void find();
  return {
    root,
    title: name,
    update,
    close() {
      closed = true;
      unwatch?.();
      stage.close();
      list.close();
      desk.close();
    },
  };
}

/** @param {State} state @param {string} name */
function isHeard(state, name) {
  return state.ear.name === name && state.ear.phase !== "off";
}

/** @param {import("../state/app.js").App} app @param {string} name @returns {Promise<Relation | "nobody" | "unknown">} */
async function relationTo(app, name) {
  const { me, friends } = app.state;
  if (me?.username.toLowerCase() === name.toLowerCase()) return "self";
  if (friends?.some((friend) => friend.username === name)) return "friend";
  try {
    /** @type {import("../state/types.js").Found[]} */
    const found = await api.search(name);
    return found.find((each) => each.username.toLowerCase() === name.toLowerCase())?.relation ?? "nobody";
  } catch (error) {
    return asProblem(error).status === 404 ? "nobody" : "unknown";
  }
}

/** Both levels come from the server; what is heard comes from the ear itself, as it is finer. @param {import("../state/app.js").App} app @param {string} name */
function moment(app, name) {
  const { ear, statuses } = app.state;
  const denoise = statuses[name]?.denoise;
  const heard = isHeard(app.state, name) ? app.listener.meter?.read() ?? null : null;
  return {
    levels: withHeard(app.broadcastSockets.levels(name), heard, ear.variant, denoise?.state),
    clean: ear.variant === "auto" && (denoise?.enabled ?? true),
    broken: isHeard(app.state, name) && ear.phase === "reconnecting",
  };
}

/**
 * What is heard is clean, and teal, only while a denoiser is at work: while it starts or is bypassed, `auto` is the raw voice.
 * @param {import("../state/types.js").Levels} levels @param {number | null} heard dBFS @param {State["ear"]["variant"]} variant
 * @param {Status["denoise"]["state"]} [state] not known to who hears by a link: taken for active
 */
export function withHeard(levels, heard, variant, state = "active") {
  if (heard === null) return levels;
  return variant === "auto" && state === "active" ? { ...levels, denoised: heard } : { ...levels, original: heard };
}

/** @param {State} state @param {string} name @param {Status | undefined} status @param {boolean} live @param {boolean} open */
function listenText(state, name, status, live, open) {
  const { ear } = state;
  if (ear.name === name && ear.trouble) return troubleText(ear.trouble);
  if (isHeard(state, name) && ear.phase === "connecting") return "Connecting.";
  if (isHeard(state, name) && ear.phase === "reconnecting") return "Your connection dropped. Trying again.";
  if (status?.state === "parked") {
    const waited = Math.round((performance.now() - (state.clocks[name] ?? performance.now())) / 1000);
    return `Waiting for ${name}… ${waited} s`;
  }
  if (live && isHeard(state, name)) return status?.denoise.state === "bypassed" && ear.variant === "auto" ? uncleanedText(name, status.denoise.reason) : `You hear ${name}.`;
  if (live) return open ? `Press Listen to hear ${name}.` : `${name} is talking now.`;
  return open ? `Press Listen to hear ${name}, when on air.` : quietText(name, state.recordings[name]?.items);
}

/** @param {string} name */
function header(name) {
  const mark = badge();
  const since = h("span", { class: "quiet" });
  const title = h("p", { class: "broadcast-title" });
  const badges = h("p", { class: "row" }, mark.root, since);
  const root = h("header", { class: "head" }, h("div", null, h("h1", { tabindex: "-1" }, name), badges, title));
  return {
    root,
    /** @param {Status | undefined} status @param {boolean} live @param {boolean} mine */
    update(status, live, mine) {
      show(badges, mine);
      mark.update(live, live ? "LIVE" : "Offline");
      say(since, live && status?.since ? `since ${minute(status.since)}` : "");
      say(title, live ? status?.title ?? "" : "");
      show(title, title.textContent !== "");
    },
  };
}

/** @param {import("../state/app.js").App} app @param {string} name @param {string} [token] */
function listenDesk(app, name, token) {
  const main = button("Listen", () => {
    if (isHeard(app.state, name)) app.stopListening();
    else void app.startListening(name, token);
  }, { class: "primary" });
  const variant = segmented("What do you hear?", /** @type {{value: "auto" | "original", label: string, kind: "clean" | "raw"}[]} */ ([{ value: "auto", label: "Clean", kind: "clean" }, { value: "original", label: "Raw", kind: "raw" }]), (value) => void app.listener.choose(value));
  const volume = slider("Volume", "%", { min: 0, max: 100, step: 1 }, (value) => app.listener.setVolume(value / 100), true);
  const delay = latencyBar();
  const tools = h("div", { class: "tools" }, variant.root, volume.root);
  const root = h("section", { class: "desk-listen", "aria-label": "Listening" }, h("div", { class: "sticky" }, main), tools, delay.root);
  // the countdown of "Waiting for Ada" has to go on without news
  const ticking = setInterval(() => {
    if (app.state.statuses[name]?.state === "parked") app.store.set({});
  }, 1000);
  return {
    root,
    /** @param {State} state @param {boolean} visible */
    update(state, visible) {
      show(root, visible);
      const heard = isHeard(state, name);
      say(main, heard ? "Leave" : "Listen");
      attribute(main, "aria-label", heard ? "Stop Listening" : "Start Listening");
      attribute(main, "class", heard ? "primary leave" : "primary");
      show(tools, heard);
      variant.update(state.ear.variant);
      volume.update(Math.round(state.ear.volume * 100));
      delay.update(heard && state.ear.play_ms !== null ? hearingParts(state.statuses[name], state.ear) : []);
    },
    close: () => clearInterval(ticking),
  };
}

/** @param {import("../state/app.js").App} app @param {string} name @param {() => void} again */
function strangerPart(app, name, again) {
  const text = h("p", null);
  const ask = button("Ask to be friends", () => void app.attempt(async () => {
    await api.ask(name);
    await app.refreshPeople();
    again();
  }), { class: "primary" });
  const accept = button("Accept", () => void app.attempt(async () => {
    const asked = app.state.requests.incoming.find((request) => request.username === name);
    if (asked) await api.respond(asked.id, "accept");
    await app.refreshPeople();
    again();
  }), { class: "primary" });
  const unblock = button("Unblock", () => void app.attempt(async () => {
    await api.unblock(name);
    again();
  }));
  const root = h("section", { class: "stranger", "aria-label": "Friendship" }, text, ask, accept, unblock);
  /** @type {Record<string, string>} */
  const sentences = {
    none: `Only friends hear each other. ${name} will see that you ask.`,
    outgoing: `You have asked. As soon as ${name} accepts, this page opens by itself.`,
    incoming: `${name} asks to be friends.`,
    blocked: `You have blocked ${name}.`,
    nobody: "There is nobody of that name here.",
  };
  return {
    root,
    /** @param {string} relation */
    update(relation) {
      show(root, relation in sentences);
      say(text, sentence(sentences[relation] ?? ""));
      show(ask, relation === "none");
      show(accept, relation === "incoming");
      show(unblock, relation === "blocked");
    },
  };
}

/** @param {import("../state/app.js").App} app @param {string} name */
function friendEnds(app, name) {
  const remove = button("Remove from friends", () => confirm(`Remove ${name}?`, "You will not hear each other any more. Either of you can ask again.", "Remove", () => void app.attempt(async () => {
    app.stopListening();
    await api.unfriend(name);
    await app.refreshPeople();
  })), { class: "plain" });
  const block = button("Block", () => confirm(`Block ${name}?`, `${name} can no longer hear or ask you, and is not told.`, "Block", () => void app.attempt(async () => {
    app.stopListening();
    await api.block(name);
    await app.refreshPeople();
  })), { class: "plain" });
  return h("footer", { class: "row ends" }, remove, block);
}
