/** The user's own page: preview, Start, and the controls while on air. */

import { attribute, h, link, setText, show } from "../page/dom.js";
import { clock, minute } from "../page/format.js";
import { messageText } from "../state/broadcasting.js";
import { broadcasting as words, modelText } from "../words/broadcasting.js";
import { settings } from "../words/settings.js";
import { phonesLine } from "./companion_invite.js";
import { badge } from "./controls.js";
import { details } from "./details.js";
import { marks } from "./marks.js";
import { liveControls, stillLive } from "./on_air.js";
import { recordings } from "./recordings.js";
import { ribbon } from "./ribbon.js";
import { setupForm } from "./setup.js";

/** @typedef {import("../state/types.js").State} State */
/** @typedef {import("../state/onair.js").OnAir} OnAir */
/** @typedef {"setup" | "live" | "still"} Part   of the studio; one is shown */

/** The denoised level comes back from the server after about 0.2 s, which is 6 frames. */
const ROUND_TRIP_FRAMES = 6;
const TICK_MS = 250;
/** What keeps sound from getting through; the self-test tells what does. */
const BARRED = new Set(["no_udp", "no_dtls"]);

/** @param {import("../state/app.js").App} app */
export function studio(app) {
  const me = () => app.state.me?.username ?? "";
  const head = header();
  /** @type {(number | null)[]} */
  const delayed = [];
  const stage = ribbon(() => ribbonFrame(app, delayed), words.ribbon);
  const said = sentences();
  const model = h("p", { class: "message quiet" });
  const setup = setupForm(app);
  const parts = { still: stillLive(app), setup, live: liveControls(app) };
  const noted = marks();
  const heard = h("p", { class: "listening" });
  const phones = phonesLine();
  const sound = details(app);
  const list = recordings(app, me);
  const root = h("div", { class: "studio" }, head.root, h("div", { class: "stage" }, stage.root), said.root, parts.still.root, parts.setup.root, parts.live.root, noted.root, heard, phones.root, model, sound.root,
    h("section", { class: "shelf", "aria-label": words.latestRecordings }, h("h2", null, words.recordings), list.root));
  const focus = focusKeeper(parts);
  void app.recordings.load(me());
  void app.broadcasting.previewUnasked();
  let wasAway = false;
  let wasOff = true;
  const ticking = setInterval(() => {
    head.tick(app.state);
    const { away } = app.broadcasting.facts;
    if (away !== wasAway) app.store.set({}); // that the server does not answer is known by time
    wasAway = away;
  }, TICK_MS);
  return {
    root,
    title: words.title,
    /** @param {State} state */
    update(state) {
      const status = state.statuses[me()];
      const { facts } = app.broadcasting;
      const part = partOf(facts, app.broadcaster.takesOver);
      const off = facts.where === "off";
      if (off && !wasOff) stage.clear(); // what was on air is over
      wasOff = off;
      attribute(stage.root, "aria-label", !off && facts.gets.what === "nothing" ? words.ribbonBroken : words.ribbon);
      attribute(root, "data-phase", part === "live" ? "live" : state.broadcast.phase);
      head.update(state, facts);
      said.update(facts);
      setText(model, modelText(state.denoisers, off ? state.broadcast.profile !== "asis" : facts.gets.what === "clean") ?? "");
      show(model, model.textContent !== "");
      parts.still.update(state, facts, part === "still");
      parts.setup.update(state, facts, part === "setup");
      parts.live.update(state, facts, part === "live");
      focus.update(part);
      noted.update(state.marks, Boolean(status?.live));
      show(heard, Boolean(status?.live) && part !== "setup" && (facts.sign !== "waiting" || facts.names.length > 0)); // the sign says already that nobody hears it
      setText(heard, facts.gets.what === "nothing" ? words.waiting(facts.names) : words.listeners(status?.listeners ?? 0, status?.listener_names ?? null));
      phones.update(state.phones, Boolean(status?.live));
      sound.update(state);
      list.update(state);
    },
    close() {
      clearInterval(ticking);
      stage.close();
      setup.close();
      sound.close();
      list.close();
      app.broadcasting.yourself.stop();
      app.broadcaster.stopPreview();
    },
  };
}

/** @param {OnAir} facts @param {boolean} takesOver this page takes over what is live @returns {Part} */
function partOf({ where }, takesOver) {
  if (where === "here" || where === "dropped" || where === "stopping") return "live";
  if (where === "connecting") return takesOver ? "still" : "setup";
  return where === "elsewhere" || where === "waiting" ? "still" : "setup";
}

/** Moves the focus from a part that is hidden now to what has replaced it. @param {Record<Part, {root: HTMLElement, first: HTMLElement}>} parts */
function focusKeeper(parts) {
  /** @type {Part | null} */
  let shown = null;
  /** The part that had the focus last, until something else gets it. @type {Part | null} */
  let focused = null;
  for (const [part, { root }] of /** @type {[Part, {root: HTMLElement}][]} */ (Object.entries(parts))) root.addEventListener("focusin", () => (focused = part));
  return {
    /** @param {Part} part that is shown now */
    update(part) {
      const { activeElement } = document;
      const lost = activeElement === document.body || activeElement === null || (shown !== null && parts[shown].root.contains(activeElement));
      if (shown !== null && part !== shown && focused === shown && lost) parts[part].first.focus();
      shown = part;
    },
  };
}

/** What is heard, by whom, and whether it is recorded. */
function sentences() {
  const message = h("p", { class: "message", role: "status" });
  const test = h("p", null, link("/doctor", {}, settings.connectionTest));
  const gets = h("span", { class: "gets" });
  const recorded = h("span", { class: "recorded" });
  return {
    root: h("div", { class: "sentences" }, message, test, h("p", { class: "truth", role: "status" }, gets, " ", recorded)),
    /** @param {OnAir} facts */
    update(facts) {
      setText(message, messageText(facts));
      show(message, facts.message !== "note");
      attribute(message, "class", facts.message === "trouble" || facts.message === "no_microphone" || facts.message === "away" ? "message wrong" : "message");
      show(test, facts.message === "trouble" && BARRED.has(facts.trouble?.code ?? ""));
      setText(gets, words.gets(facts));
      attribute(gets, "class", `gets ${facts.gets.what}`);
      setText(recorded, words.recorded(facts));
      attribute(recorded, "class", facts.recorded === "full" || facts.recorded === "failed" ? "recorded wrong" : "recorded");
    },
  };
}

/** @param {import("../state/app.js").App} app @param {(number | null)[]} delayed */
function ribbonFrame(app, delayed) {
  const { broadcast, me, statuses } = app.state;
  const { where, gets } = app.broadcasting.facts;
  const here = app.broadcaster.microphone.meter;
  delayed.push(here && !broadcast.muted ? here.read() : null);
  while (delayed.length > (app.broadcaster.onAir ? ROUND_TRIP_FRAMES : 1)) delayed.shift();
  const local = delayed[0] ?? null;
  if (where === "off") return { levels: { original: local, denoised: null }, clean: broadcast.profile !== "asis", broken: false };
  const clean = gets.what === "clean" || (gets.what !== "raw" && (statuses[me?.username ?? ""]?.denoise.enabled ?? true)); // what was heard stays as it was
  if (gets.what === "nothing" || gets.what === "silence") return { levels: { original: null, denoised: null }, clean, broken: gets.what === "nothing" };
  const levels = app.broadcastSockets.levels(me?.username ?? "");
  return { levels: where === "elsewhere" ? levels : { original: local, denoised: levels.denoised }, clean, broken: false };
}

function header() {
  const name = h("h1", { tabindex: "-1" });
  const mark = badge();
  const muted = h("span", { class: "muted-mark" }, words.mutedMark);
  const timer = h("p", { role: "timer", class: "timer", "aria-label": words.timeOnAir });
  const since = h("span", { class: "quiet" });
  const root = h("header", { class: "head" }, h("div", null, name, h("p", { class: "row" }, mark.root, muted, since)), timer);
  /** @param {State} state */
  const tick = (state) => {
    const status = state.statuses[state.me?.username ?? ""];
    const passed = (performance.now() - (state.clocks[state.me?.username ?? ""] ?? performance.now())) / 1000;
    const text = status?.live ? clock(status.duration_s + passed) : "0:00";
    if (timer.textContent !== text) setText(timer, text);
  };
  return {
    root,
    tick,
    /** @param {State} state @param {OnAir} facts */
    update(state, facts) {
      const status = state.statuses[state.me?.username ?? ""];
      setText(name, state.me?.username ?? "");
      const heard = facts.sign === "live";
      mark.update(heard, words.signs[facts.sign]);
      show(muted, Boolean(status?.live) && facts.muted);
      setText(since, status?.live && status.since ? words.since(minute(status.since), heard) : "");
      attribute(timer, "class", facts.where !== "here" && facts.where !== "dropped" ? "timer" : heard ? "timer on" : "timer on unheard");
      attribute(timer, "aria-label", heard ? words.timeOnAir : words.timeSinceStart);
      tick(state);
    },
  };
}
