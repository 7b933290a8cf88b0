/** "Sound details", closed by default: strength, denoiser, where the time goes, what the microphone really does. */

import { attribute, h, say, show } from "../page/dom.js";
import { denoiserName } from "../page/format.js";
import { latencyText, sendingParts } from "../rtc/latency.js";
import { denoiserText, missingText } from "../page/messages.js";
import { slider, uid } from "./controls.js";
import { companionInvite } from "./companion_invite.js";

/** @typedef {import("../state/types.js").State} State */

/** On the slider this stands for "no limit". */
const NO_LIMIT_DB = 100;

/** @param {import("../state/app.js").App} app */
export function details(app) {
  const strength = slider("Take noise down by at most", "dB", { min: 0, max: NO_LIMIT_DB, step: 1 }, (value) => void app.denoise({ strength_db: value >= NO_LIMIT_DB ? null : value }));
  const denoiserId = uid("denoiser");
  const denoiser = h("select", { id: denoiserId, on: { change: () => chosen(app, denoiser.value) } });
  const about = h("p", { class: "quiet" });
  const doing = h("p", { class: "quiet" });
  const bar = latencyBar();
  const settings = h("p", { class: "quiet" });
  const loss = h("p", { class: "quiet" });
  const waiting = h("p", { class: "quiet" }, "The strength can be set while you are on air.");
  const root = h("details", { class: "details" }, h("summary", null, "Sound details"),
    h("div", { class: "detail-grid" }, waiting, strength.root, h("div", { class: "field" }, h("label", { for: denoiserId }, "Denoiser"), denoiser), about, doing, bar.root, loss, settings, companionInvite(app)));
  return {
    root,
    /** @param {State} state */
    update(state) {
      const status = state.statuses[state.me?.username ?? ""];
      const live = Boolean(status?.live);
      show(waiting, !live);
      strength.update(status?.denoise.strength_db ?? NO_LIMIT_DB, !live);
      fillDenoisers(denoiser, state, (live && status?.denoise.denoiser) || state.air.denoiser);
      const words = denoiserText(denoiser.value, live && status ? status.latency_ms.algorithmic : null);
      say(about, words);
      show(about, words !== "");
      say(doing, status && live ? denoiseText(status) : "");
      show(doing, doing.textContent !== "");
      bar.update(live ? sendingParts(status, state.air.network_ms) : []);
      say(loss, status && live ? `${status.loss.lost} of ${status.loss.received + status.loss.lost} packets lost on the way here, ${status.loss.concealed} concealed.` : "");
      show(loss, loss.textContent !== "");
      say(settings, settingsText(state.air.settings));
    },
  };
}

/** @param {import("../state/types.js").Status} status */
function denoiseText(status) {
  const words = { off: "Denoise is off.", starting: "Denoise is starting.", active: "Denoise is active.", bypassed: "Denoise is bypassed." };
  return `${words[status.denoise.state]}${status.denoise.reason ? ` Reason: ${status.denoise.reason.replaceAll("_", " ")}.` : ""}`;
}

/** At once while on air, else from the next start on. @param {import("../state/app.js").App} app @param {string} denoiser */
function chosen(app, denoiser) {
  app.broadcaster.prefer(denoiser);
  if (app.state.statuses[app.state.me?.username ?? ""]?.live) void app.denoise({ denoiser });
}

/** @param {HTMLSelectElement} select @param {State} state @param {string} now */
function fillDenoisers(select, state, now) {
  const wanted = JSON.stringify(state.denoisers);
  if (select.dataset["known"] !== wanted) {
    select.dataset["known"] = wanted;
    select.replaceChildren(...state.denoisers.map((row) => h("option", { value: row.name, disabled: !row.available },
      `${denoiserName(row.name)}, ${Math.round(row.latency_ms)} ms${row.available ? "" : ` (${missingText(row)})`}`)));
  }
  const chosen = now || (state.denoisers.find((row) => row.default)?.name ?? "");
  if (select.value !== chosen) select.value = chosen;
}

/** What the browser says that it does: the truth, whatever was asked for. @param {MediaTrackSettings | null} settings */
export function settingsText(settings) {
  if (!settings) return "What the browser does to your microphone is shown here once it is on.";
  /** @param {unknown} value */
  const word = (value) => (value === true || typeof value === "string" ? "on" : value === false ? "off" : "not told");
  const rate = settings.sampleRate ? ` ${settings.sampleRate / 1000} kHz.` : "";
  return `Your browser: noise suppression ${word(settings.noiseSuppression)}, gain control ${word(settings.autoGainControl)}, echo cancellation ${word(settings.echoCancellation)}.${rate}`;
}

/** One stacked bar with its sum. */
export function latencyBar() {
  const bar = h("div", { class: "latency", "aria-hidden": "true" });
  const text = h("p", { class: "latency-text" });
  const root = h("div", null, bar, text);
  return {
    root,
    /** @param {import("../rtc/latency.js").Part[]} parts */
    update(parts) {
      show(root, parts.length > 0);
      if (!parts.length) return;
      say(text, latencyText(parts));
      parts.forEach((part, index) => {
        const piece = /** @type {HTMLElement} */ (bar.children[index] ?? bar.appendChild(h("span")));
        attribute(piece, "class", `part ${part.name}`);
        piece.style.flexGrow = String(Math.max(1, part.ms));
      });
      while (bar.children.length > parts.length) bar.lastElementChild?.remove();
    },
  };
}
