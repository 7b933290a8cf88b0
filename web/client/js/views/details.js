/** "Sound details", closed by default: strength, denoiser, microphone, delays, and what the browser does to the microphone. */

import { attribute, h, setText, show } from "../page/dom.js";
import { delays, strengthOf } from "../state/onair.js";
import { denoiserText, settingsText, sound as words } from "../words/broadcasting.js";
import { latencyText } from "../words/listening.js";
import { companionInvite } from "./companion_invite.js";
import { slider, uid } from "./controls.js";
import { devicePicker } from "./setup.js";

/** @typedef {import("../state/types.js").State} State */

/** The slider's value for "no limit". */
const NO_LIMIT_DB = 100;
/** The server tells changes only; measured values are asked for while they are shown. */
const ASK_EVERY_MS = 1000;

/** @param {import("../state/app.js").App} app */
export function details(app) {
  const strength = slider(words.strength, words.unit, { min: 0, max: NO_LIMIT_DB, step: 1 }, (value) => void app.broadcasting.choose({ strength_db: value >= NO_LIMIT_DB ? null : value }));
  const denoiserId = uid("denoiser");
  const denoiser = h("select", { id: denoiserId, on: { change: () => void app.broadcasting.choose({ denoiser: denoiser.value }) } });
  const about = h("p", { class: "quiet" });
  const devices = devicePicker(app);
  const doing = h("p", { class: "quiet" });
  const bar = latencyBar();
  const settings = h("p", { class: "quiet" });
  const loss = h("p", { class: "quiet" });
  const root = h("details", { class: "details" }, h("summary", null, words.title),
    h("div", { class: "detail-grid" }, strength.root, h("div", { class: "field" }, h("label", { for: denoiserId }, words.denoiser), denoiser), about, devices.root, doing, bar.root, loss, settings, companionInvite(app)));
  const asking = setInterval(() => {
    if (root.open && !document.hidden && app.broadcasting.status?.live) void app.refreshStatus(app.state.me?.username ?? "");
  }, ASK_EVERY_MS);
  return {
    root,
    /** @param {State} state */
    update(state) {
      const { facts, status } = app.broadcasting;
      const live = Boolean(status?.live);
      strength.update((live && status ? status.denoise.strength_db : strengthOf(state.broadcast)) ?? NO_LIMIT_DB, !live && state.broadcast.profile === "asis");
      fillDenoisers(denoiser, state, (live && status?.denoise.denoiser) || state.broadcast.denoiser);
      devices.update(state.broadcast, facts.where === "here" || facts.where === "dropped");
      setText(about, denoiserText(denoiser.value, live && status ? status.latency_ms.algorithmic : null));
      setText(doing, status && (facts.gets.what === "clean" || facts.gets.what === "raw") ? denoiseText(status) : ""); // of silence it says nothing
      setText(loss, status && live ? words.loss(status.loss) : "");
      for (const line of [about, doing, loss]) show(line, line.textContent !== "");
      bar.update(delays(facts, state.broadcast, status));
      setText(settings, settingsText(state.broadcast.settings));
    },
    close: () => clearInterval(asking),
  };
}

/** @param {import("../state/types.js").Status} status */
function denoiseText({ denoise: { state, reason } }) {
  const why = reason ? words.reasons[reason] : "";
  return why ? `${words.states[state]} ${why}` : words.states[state] ?? "";
}

/** @param {HTMLSelectElement} select @param {State} state @param {string} now */
function fillDenoisers(select, state, now) {
  const wanted = JSON.stringify(state.denoisers);
  if (select.dataset["known"] !== wanted) {
    select.dataset["known"] = wanted;
    select.replaceChildren(...state.denoisers.map((row) => h("option", { value: row.name, disabled: !row.available }, words.option(row))));
  }
  const chosen = now || (state.denoisers.find((row) => row.default)?.name ?? "");
  if (select.value !== chosen) select.value = chosen;
}

/** A stacked bar of delays with their sum. */
export function latencyBar() {
  const bar = h("div", { class: "latency", "aria-hidden": "true" });
  const text = h("p", { class: "latency-text" });
  const root = h("div", null, bar, text);
  return {
    root,
    /** @param {readonly import("../rtc/latency.js").Part[]} parts */
    update(parts) {
      show(root, parts.length > 0);
      if (!parts.length) return;
      setText(text, latencyText(parts));
      parts.forEach((part, index) => {
        const piece = /** @type {HTMLElement} */ (bar.children[index] ?? bar.appendChild(h("span")));
        attribute(piece, "class", `part ${part.name}`);
        piece.style.flexGrow = String(Math.max(1, part.ms));
      });
      while (bar.children.length > parts.length) bar.lastElementChild?.remove();
    },
  };
}
