/** The own page: preview, Start, and what is on air. */

import { attribute, h, say, show } from "../page/dom.js";
import { clock, listening, minute } from "../page/format.js";
import { airText, modelText } from "../page/messages.js";
import { badge, button, field, segmented, toggle, uid } from "./controls.js";
import { details } from "./details.js";
import { recordings } from "./recordings.js";
import { ribbon } from "./ribbon.js";

/** @typedef {import("../state/types.js").State} State */
/** @typedef {import("../state/types.js").Profile} Profile */

/** The clean line is back from the server after about 0.2 s: 6 frames. */
const WAY_BACK_FRAMES = 6;
/** A still broadcast that this page has not started: after a reload, or from another device. */
const STILL = new Set(["live", "parked", "waiting"]);

/** @param {import("../state/app.js").App} app */
export function studio(app) {
  const me = () => app.state.me?.username ?? "";
  const head = header();
  /** @type {(number | null)[]} */
  const late = [];
  const stage = ribbon(() => moment(app, late), "Your sound: what the microphone hears, and what is left of it");
  const message = h("p", { class: "message" });
  const model = h("p", { class: "message quiet" });
  const still = stillLive(app);
  const setup = setupForm(app);
  const live = liveControls(app, setup.title);
  const heard = h("p", { class: "listening" });
  const sound = details(app);
  const list = recordings(app, me);
  const root = h("div", { class: "studio" }, head.root, h("div", { class: "stage" }, stage.root), message, still.root, setup.root, live.root, heard, model, sound.root,
    h("section", { class: "shelf", "aria-label": "Your latest recordings" }, h("h2", null, "Recordings"), list.root));
  void app.recordings.load(me());
  void app.previewIfAllowed();
  const ticking = setInterval(() => head.tick(app.state), 250);
  return {
    root,
    title: "Your page",
    /** @param {State} state */
    update(state) {
      const status = state.statuses[me()];
      const onAir = isOnAir(state);
      const elsewhere = !onAir && state.air.phase !== "connecting" && Boolean(status && STILL.has(status.state) && status.broadcast);
      attribute(root, "data-phase", onAir ? "live" : state.air.phase);
      head.update(state, onAir);
      say(message, elsewhere && !state.air.trouble ? "" : airText(state.air, status));
      attribute(message, "class", state.air.trouble ? "message wrong" : "message");
      say(model, modelText(state.denoisers, isCleaned(state, status)) ?? "");
      show(model, model.textContent !== "");
      still.update(state, elsewhere);
      setup.update(state, !onAir && !elsewhere);
      live.update(state, onAir);
      show(heard, onAir);
      say(heard, listening(status?.listeners ?? 0, status?.listener_names ?? null));
      sound.update(state);
      list.update(state);
    },
    close() {
      clearInterval(ticking);
      stage.close();
      list.close();
      app.broadcaster.rest();
    },
  };
}

/** Is the voice cleaned now, or will it be? @param {State} state @param {import("../state/types.js").Status | undefined} status */
function isCleaned({ air }, status) {
  return status?.live ? status.denoise.state === "active" || status.denoise.state === "starting" : air.profile !== "asis";
}

/** @param {State} state */
function isOnAir(state) {
  return state.air.phase === "live" || state.air.phase === "reconnecting";
}

/** What the ribbon shows now: in the preview only what the microphone hears; while live that too, as late as the clean line comes back from the server. @param {import("../state/app.js").App} app @param {(number | null)[]} late */
function moment(app, late) {
  const { air, me, statuses } = app.state;
  const here = app.broadcaster.microphone.meter;
  late.push(here && !air.muted ? here.read() : null);
  while (late.length > (app.broadcaster.onAir ? WAY_BACK_FRAMES : 1)) late.shift();
  const local = late[0] ?? null;
  if (!app.broadcaster.onAir || !me) return { levels: { original: local, denoised: null }, clean: air.profile !== "asis", broken: false };
  const levels = app.broadcastSockets.levels(me.username);
  return { levels: { original: local, denoised: levels.denoised }, clean: statuses[me.username]?.denoise.enabled ?? true, broken: air.phase === "reconnecting" };
}

function header() {
  const name = h("h1", { tabindex: "-1" });
  const mark = badge();
  const timer = h("p", { role: "timer", class: "timer", "aria-label": "Time on air" });
  const since = h("span", { class: "quiet" });
  const root = h("header", { class: "head" }, h("div", null, name, h("p", { class: "row" }, mark.root, since)), timer);
  /** @param {State} state */
  const tick = (state) => {
    const status = state.statuses[state.me?.username ?? ""];
    const passed = (performance.now() - (state.clocks[state.me?.username ?? ""] ?? performance.now())) / 1000;
    const text = status?.live ? clock(status.duration_s + passed) : "0:00";
    if (timer.textContent !== text) say(timer, text);
  };
  return {
    root,
    tick,
    /** @param {State} state @param {boolean} onAir */
    update(state, onAir) {
      const status = state.statuses[state.me?.username ?? ""];
      say(name, state.me?.username ?? "");
      mark.update(Boolean(status?.live), status?.live ? "LIVE" : "Offline");
      say(since, status?.live && status.since ? `since ${minute(status.since)}` : "");
      attribute(timer, "class", onAir ? "timer on" : "timer");
      tick(state);
    },
  };
}

/** "You are still live": never a start by itself. @param {import("../state/app.js").App} app */
function stillLive(app) {
  const text = h("p", { class: "strong" });
  const why = h("p", { class: "quiet" });
  const root = h("section", { class: "note", "aria-label": "Still live" }, text, why, h("div", { class: "row" },
    button("Resume", () => void app.startStreaming(app.state.statuses[app.state.me?.username ?? ""]?.title ?? ""), { class: "primary air" }),
    button("Stop", () => void app.stopStreaming(), { class: "stop", "aria-label": "Stop Streaming" })));
  return {
    root,
    /** @param {State} state @param {boolean} visible */
    update(state, visible) {
      show(root, visible);
      const status = state.statuses[state.me?.username ?? ""];
      say(text, status?.muted ? "You are still live, and muted." : "You are still live.");
      say(why, status?.state === "live" ? "Another tab or device sends. Resume takes over here; your friends hear no difference." : "Your friends wait. Resume goes on in the same broadcast and the same recording.");
    },
  };
}

/** @param {import("../state/app.js").App} app */
function setupForm(app) {
  const { broadcaster } = app;
  const kind = segmented("What do you send?", /** @type {{value: Profile, label: string}[]} */ ([{ value: "voice", label: "Voice" }, { value: "music", label: "Music" }, { value: "asis", label: "As it is" }]),
    (profile) => void broadcaster.choose({ profile }));
  const explain = h("p", { class: "quiet explain" });
  const deviceId = uid("device");
  const device = h("select", { id: deviceId, on: { change: () => void broadcaster.choose({ device: device.value }) } });
  const on = button("Turn the microphone on", () => void broadcaster.preview());
  const echo = h("input", { type: "checkbox", on: { change: () => void broadcaster.choose({ echo: echo.checked }) } });
  const title = field("Title", { maxlength: "120", placeholder: "What is it about? (optional)", autocomplete: "off" });
  const start = button("Start Streaming", () => void app.startStreaming(title.input.value.trim()), { class: "primary air" });
  const picker = h("div", { class: "field" }, h("label", { for: deviceId }, "Microphone"), device);
  const root = h("form", { class: "setup", on: {
    submit: (event) => {
      event.preventDefault();
      start.click();
    },
  } }, kind.root, explain, on, picker, h("label", { class: "check" }, echo, h("span", null, "Cancel echo (when friends come out of loudspeakers)")), title.root, h("div", { class: "sticky" }, start));
  return {
    root,
    title: title.input,
    /** @param {State} state @param {boolean} visible */
    update({ air }, visible) {
      show(root, visible);
      kind.update(air.profile);
      say(explain, PROFILES[air.profile]);
      const open = air.phase !== "idle" && air.phase !== "asking";
      show(on, !open);
      show(picker, open);
      fillDevices(device, air);
      echo.checked = air.echo;
      start.disabled = air.phase === "connecting" || air.phase === "asking";
    },
  };
}

/** @type {Record<Profile, string>} */
const PROFILES = {
  voice: "Everything but your voice is taken out.",
  music: "Noise is taken down a little; instruments stay. Sent in stereo.",
  asis: "Nothing is taken out.",
};

/** @param {HTMLSelectElement} select @param {import("../state/types.js").Air} air */
export function fillDevices(select, air) {
  const wanted = air.devices.map((device) => `${device.deviceId}\n${device.label}`).join("\n");
  if (select.dataset["known"] !== wanted) {
    select.dataset["known"] = wanted;
    select.replaceChildren(...air.devices.map((device, index) => h("option", { value: device.deviceId }, device.label || `Microphone ${index + 1}`)));
  }
  if (select.value !== air.device) select.value = air.device;
}

/** @param {import("../state/app.js").App} app @param {HTMLInputElement} title */
function liveControls(app, title) {
  const name = h("input", { class: "title-edit", "aria-label": "Title", maxlength: "120", placeholder: "Give it a title", autocomplete: "off" });
  const denoise = toggle("Denoise", (enabled) => void app.denoise({ enabled }), "clean");
  const mute = button("Mute", () => app.broadcaster.mute(!app.state.air.muted), { "aria-pressed": "false" });
  const stop = button("Stop", () => void app.stopStreaming(), { class: "stop", "aria-label": "Stop Streaming" });
  name.addEventListener("change", () => void retitle(app, name.value.trim()));
  name.addEventListener("keydown", (event) => {
    if (event.key === "Enter") name.blur();
  });
  const root = h("section", { class: "live", "aria-label": "On air" }, name, h("div", { class: "desk sticky" }, denoise.root, mute, stop));
  let known = "";
  return {
    root,
    /** @param {State} state @param {boolean} visible */
    update(state, visible) {
      show(root, visible);
      const status = state.statuses[state.me?.username ?? ""];
      const broadcast = status?.broadcast ?? "";
      if (visible && broadcast && broadcast !== known) {
        known = broadcast;
        name.value = status?.title || title.value;
      }
      denoise.update(status?.denoise.enabled ?? state.air.profile !== "asis", !status?.live);
      attribute(mute, "aria-pressed", state.air.muted);
    },
  };
}

/** The title of what is on air is that of its recording. @param {import("../state/app.js").App} app @param {string} title */
async function retitle(app, title) {
  const me = app.state.me?.username ?? "";
  app.broadcaster.title = title; // for a new connection, and for "Go on"
  await app.recordings.load(me);
  const id = app.state.statuses[me]?.recording?.id;
  const now = app.state.recordings[me]?.items.find((recording) => (id ? recording.id === id : recording.state === "live"));
  if (now && title) await app.attempt(() => app.recordings.rename(now, title)); // a recording's title is replaced, never taken away
}
