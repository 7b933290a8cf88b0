/** The page of another user: live, offline, or not a friend yet. */

import { api, asProblem } from "../server/api.js";
import { attribute, disable, h, setText, show } from "../page/dom.js";
import { minute } from "../page/format.js";
import { hearingParts } from "../rtc/latency.js";
import { quietText } from "../page/titles.js";
import { offered, soundOf } from "../state/heard.js";
import { endText, hearingNow, hearingText, recordingText, statusNow } from "../state/hearing_now.js";
import { isReached } from "../state/reached.js";
import { listening as words } from "../words/listening.js";
import { badge, button, segmented, slider } from "./controls.js";
import { latencyBar } from "./details.js";
import { friendEnds, strangerPart } from "./friendship.js";
import { recordings } from "./recordings.js";
import { ribbon } from "./ribbon.js";

/** @typedef {import("../state/types.js").State} State */
/** @typedef {import("../state/types.js").Status} Status */
/** @typedef {import("../state/types.js").Relation} Relation */

/**
 * @param {import("../state/app.js").App} app @param {string} name
 * @param {string} [token] of a listen link: without an account, and without recordings
 */
export function listen(app, name, token) {
  /** @type {Relation | "unknown" | "nobody"} */
  let relation = token ? "friend" : "unknown";
  const head = header(name);
  const stage = ribbon(() => ribbonFrame(app, name), words.ribbon(name));
  const message = h("p", { class: "message" });
  const recorded = h("p", { class: "quiet recorded" });
  const marks = marksLine();
  const desk = listenDesk(app, name, token);
  const stranger = strangerPart(app, name, () => void loadRelation());
  const list = recordings(app, () => name);
  const shelfPart = h("section", { class: "shelf", "aria-label": words.recordingsOf(name) }, h("h2", null, words.recordings), list.root);
  const ends = friendEnds(app, name);
  const stageBox = h("div", { class: "stage" }, stage.root);
  head.root.append(marks.root);
  const root = h("article", { class: "listen" }, head.root, stageBox, message, recorded, desk.root, stranger.root, shelfPart, ends.root);
  /** @type {(() => void) | null} */
  let unwatch = token ? app.broadcastSockets.watch(name, token) : null;
  /** @type {number | null} */
  let parkedAt = null;

  let closed = false;
  /** Ask the server for the relation to this user, and load what a friend may see. */
  const loadRelation = async () => {
    relation = await relationTo(app, name);
    if (closed) return;
    if (relation === "friend" || relation === "self") {
      unwatch ??= app.broadcastSockets.watch(name);
      await Promise.all([app.refreshStatus(name), app.recordings.load(name)]);
    } else {
      unwatch?.();
      unwatch = null;
    }
    update(app.state);
  };

  let wasFriend = false;
  let wasLive = false;
  /** @param {State} state */
  const update = (state) => {
    const isFriend = Boolean(state.friends?.some((friend) => friend.username === name));
    if (!token && isFriend !== wasFriend) {
      wasFriend = isFriend;
      if (isFriend !== (relation === "friend")) void loadRelation();
    }
    const mine = (relation === "friend" || relation === "self") && !app.listening.refused.has(name);
    const status = statusNow(state, name);
    parkedAt = status?.state === "parked" ? parkedAt ?? performance.now() : null;
    if (status) {
      if (wasLive && !status.live) stage.clear(); // what was on air is over
      wasLive = status.live;
    }
    head.update(state, mine);
    show(stageBox, mine);
    setText(message, mine ? listenText(state, name, parkedAt, token !== undefined) : "");
    attribute(message, "class", isEnded(state, name) ? "message wrong" : "message");
    setText(recorded, mine ? recordingText(state, name) : "");
    marks.update(mine && status?.live ? state.cues[name] : undefined);
    const within = desk.root.contains(document.activeElement);
    desk.update(state, mine && (Boolean(status?.live) || token !== undefined || isHeard(state, name)));
    if (within && desk.root.hidden) head.root.querySelector("h1")?.focus(); // the button that was pressed is gone
    stranger.update(relation);
    show(shelfPart, mine && !token);
    ends.update(relation === "friend" && !token);
    list.update(state);
  };
  if (!token) void loadRelation();
  // the seconds of "Waiting for Ada" count on without a message, and a recording that has not begun is told after a while
  const ticking = setInterval(() => update(app.state), 1000);
  return {
    root,
    title: name,
    update,
    close() {
      closed = true;
      clearInterval(ticking);
      unwatch?.();
      stage.close();
      list.close();
    },
  };
}

/** @param {State} state @param {string} name */
function isHeard(state, name) {
  return state.listening.name === name && state.listening.phase !== "off";
}

/** Whether listening to this person has ended by itself. @param {State} state @param {string} name */
function isEnded({ listening }, name) {
  return listening.name === name && listening.phase === "off" && listening.trouble !== null;
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

/** What the ribbon draws: the server's levels, and the local meter's for the variant that is heard, as it is more precise. @param {import("../state/app.js").App} app @param {string} name */
function ribbonFrame(app, name) {
  const { listening } = app.state;
  const status = statusNow(app.state, name);
  const here = isHeard(app.state, name);
  const heard = here ? app.listener.meter?.read() ?? null : null;
  return {
    levels: status && !status.live ? { original: null, denoised: null } : withHeard(app.broadcastSockets.levels(name), heard, listening.variant, status?.denoise.state), // the last ones are kept a little longer
    clean: (here && listening.variant === "original" ? "raw" : offered(status)) !== "raw",
    broken: here && listening.phase === "reconnecting",
  };
}

/**
 * Put the level that is heard where it belongs: `auto` is the denoised variant only while a denoiser is active, else it is the original.
 * @param {import("../state/types.js").Levels} levels @param {number | null} heard dBFS @param {State["listening"]["variant"]} variant
 * @param {Status["denoise"]["state"]} [state] "active" if it is not known
 */
export function withHeard(levels, heard, variant, state = "active") {
  if (heard === null) return levels;
  return variant === "auto" && state === "active" ? { ...levels, denoised: heard } : { ...levels, original: heard };
}

/** @param {State} state @param {string} name @param {number | null} parkedAt in ms @param {boolean} byLink */
function listenText(state, name, parkedAt, byLink) {
  const { listening } = state;
  if (isEnded(state, name) && listening.trouble) return endText(listening.trouble, name, byLink);
  const waited_s = parkedAt === null ? undefined : (performance.now() - parkedAt) / 1000;
  if (isHeard(state, name)) return hearingText(state, name, waited_s);
  const status = statusNow(state, name);
  if (!status && state.statuses[name]) return words.statusOld(name);
  if (status?.state === "parked") return words.hearing("parked", name, waited_s === undefined ? {} : { waited_s });
  if (status?.live) return status.muted ? words.mutedNow(name) : words.talking(name, offered(status));
  if (!status) return byLink ? words.linkLooking : isReached(state) ? "" : words.statusOld(name);
  return byLink ? words.quietByLink(name) : quietText(name, state.recordings[name]?.items);
}

/** @param {string} name */
function header(name) {
  const mark = badge();
  const since = h("span", { class: "quiet" });
  const title = h("p", { class: "broadcast-title" });
  const badges = h("p", { class: "row" }, mark.root, since);
  const root = h("header", { class: "head" }, h("div", { class: "head-text" }, h("h1", { tabindex: "-1" }, name), badges, title));
  return {
    root,
    /** @param {State} state @param {boolean} mine */
    update(state, mine) {
      const status = statusNow(state, name);
      const here = mine && Boolean(status?.live);
      const live = here && status?.state !== "parked";
      show(badges, mine && state.statuses[name] !== undefined);
      mark.update(live, live ? words.live : here ? words.waitingBadge : status ? words.offline : isHeard(state, name) ? words.reconnectingBadge : words.notKnown);
      setText(since, here && status?.since ? words.since(minute(status.since)) : "");
      setText(title, here ? status?.title ?? "" : "");
      attribute(title, "title", title.textContent || null); // a long one is cut after two lines
      show(title, title.textContent !== "");
    },
  };
}

/** The chord that is played now, and whether it is practice. */
function marksLine() {
  const chord = h("span", { class: "chord" });
  const practice = h("span", { class: "quiet" });
  const root = h("p", { class: "row heard-marks", role: "group", "aria-label": words.marks }, chord, practice);
  return {
    root,
    /** @param {import("../state/types.js").Marks | undefined} marks */
    update(marks) {
      show(root, marks !== undefined);
      setText(chord, marks?.chord ?? "");
      setText(practice, marks?.practising ? words.practising : "");
    },
  };
}

/** @param {import("../state/app.js").App} app @param {string} name @param {string} [token] */
function listenDesk(app, name, token) {
  const main = button(words.start, () => {
    if (isHeard(app.state, name)) app.stopListening();
    else void app.startListening(name, token);
  }, { class: "primary" });
  const variant = segmented(words.choice, /** @type {{value: "auto" | "original", label: string, kind: "clean" | "raw"}[]} */ ([{ value: "auto", label: words.clean, kind: "clean" }, { value: "original", label: words.raw, kind: "raw" }]), (value) => {
    void app.listening.setVariant(name, value);
  });
  const volume = slider(words.volume, "%", { min: 0, max: 200, step: 1 }, (value) => app.listening.setVolume(name, value), true);
  const delay = latencyBar();
  const tools = h("div", { class: "tools" }, variant.root, volume.root);
  const delayRoom = h("div", { class: "delay-room" }, delay.root);
  const root = h("section", { class: "desk-listen", "aria-label": words.desk }, h("div", { class: "sticky" }, main), tools, delayRoom);
  return {
    root,
    /** @param {State} state @param {boolean} visible */
    update(state, visible) {
      show(root, visible);
      const heard = isHeard(state, name);
      setText(main, heard ? words.stop : words.start);
      disable(!heard && !statusNow(state, name), main);
      attribute(main, "class", heard ? "primary leave" : "primary");
      show(tools, heard);
      show(delayRoom, heard);
      const sound = soundOf(hearingNow(state, name));
      if (!state.listening.choosing) light(variant.root, sound);
      volume.update(Math.round(app.listening.volumeOf(name) * 100));
      delay.update(sound ? hearingParts(statusNow(state, name), state.listening) : []);
    },
  };
}

/** Light what is heard, which may be another variant than was chosen; neither if it is not known. @param {HTMLFieldSetElement} choice @param {"clean" | "raw" | null} heard */
function light(choice, heard) {
  for (const input of choice.querySelectorAll("input")) input.checked = input.value === (heard === "raw" ? "original" : heard === "clean" ? "auto" : "");
}
