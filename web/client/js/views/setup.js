/** What is chosen before Start: kind of sound, microphone with its level, echo, title, recording; and hear yourself. */

import { attribute, h, setText, show } from "../page/dom.js";
import { setup as words } from "../words/broadcasting.js";
import { button, field, segmented, toggle, uid } from "./controls.js";
import { hearYourself } from "./hear_yourself.js";

/** @typedef {import("../state/types.js").State} State */
/** @typedef {import("../state/types.js").OwnBroadcast} OwnBroadcast */
/** @typedef {import("../state/types.js").Profile} Profile */
/** @typedef {import("../state/onair.js").OnAir} OnAir */

const LEVEL_EVERY_MS = 100;
/** The quietest level that is shown. */
const QUIET_DBFS = -66;

/** @param {import("../state/app.js").App} app */
export function setupForm(app) {
  const { broadcasting } = app;
  const profiles = /** @type {[Profile, string][]} */ (Object.entries(words.profiles));
  const kind = segmented(words.kind, profiles.map(([value, label]) => ({ value, label })), (profile) => void broadcasting.choose({ profile }));
  const explain = h("p", { class: "quiet explain" });
  const on = button(words.turnOn, () => void app.broadcaster.preview());
  const devices = devicePicker(app);
  const level = levelMeter(app);
  const yourself = hearYourself(app);
  const echo = h("input", { type: "checkbox", on: { change: () => void broadcasting.choose({ echo: echo.checked }) } });
  const title = field(words.titleField, { maxlength: "120", placeholder: words.titleHint, autocomplete: "off" });
  const record = toggle(words.record, (wanted) => void broadcasting.record(wanted));
  const whyId = uid("why");
  const why = h("p", { class: "hint wrong", id: whyId });
  const start = button(words.start, () => void broadcasting.start(title.input.value.trim()), { class: "primary air", "aria-describedby": whyId });
  const root = h("form", { class: "setup", on: {
    submit: (event) => {
      event.preventDefault();
      start.click();
    },
  } }, kind.root, explain, on, devices.root, level.root, title.root, record.root, h("div", { class: "sticky" }, why, start), yourself.root, h("label", { class: "check" }, echo, h("span", null, words.echo)));
  return {
    root,
    first: start,
    /** @param {State} state @param {OnAir} facts @param {boolean} visible */
    update(state, facts, visible) {
      const { broadcast } = state;
      show(root, visible);
      kind.update(broadcast.profile);
      setText(explain, words.explain[broadcast.profile]);
      const open = broadcast.phase !== "idle" && broadcast.phase !== "asking";
      const code = !facts.microphone ? facts.trouble?.code ?? "" : facts.away ? "away" : "";
      show(on, !open && code !== "insecure");
      setText(on, !facts.microphone ? words.again : words.turnOn);
      devices.update(broadcast, open);
      show(level.root, open);
      yourself.update(state, !code);
      echo.checked = broadcast.echo;
      record.update(broadcast.record);
      setText(why, words.without[code] ?? "");
      start.disabled = Boolean(code) || broadcast.phase === "connecting" || broadcast.phase === "asking";
    },
    close: () => level.close(),
  };
}

/** The microphones to choose from. @param {import("../state/app.js").App} app */
export function devicePicker(app) {
  const id = uid("device");
  const select = h("select", { id, on: { change: () => void app.broadcasting.choose({ device: select.value }) } });
  const root = h("div", { class: "field" }, h("label", { for: id }, words.microphone), select);
  return {
    root,
    /** @param {OwnBroadcast} broadcast @param {boolean} visible */
    update(broadcast, visible) {
      show(root, visible);
      const wanted = broadcast.devices.map((device) => `${device.deviceId}\n${device.label}`).join("\n");
      if (select.dataset["known"] !== wanted) {
        select.dataset["known"] = wanted;
        select.replaceChildren(...broadcast.devices.map((device, index) => h("option", { value: device.deviceId }, device.label || words.unnamed(index + 1))));
      }
      if (select.value !== broadcast.device) select.value = broadcast.device;
    },
  };
}

/** @param {import("../state/app.js").App} app */
function levelMeter(app) {
  const bar = h("span", { class: "level-bar" });
  const root = h("div", { class: "level", role: "meter", "aria-label": words.level, "aria-valuemin": QUIET_DBFS, "aria-valuemax": "0", "aria-valuenow": QUIET_DBFS }, bar);
  const timer = setInterval(() => {
    if (root.hidden || !root.isConnected) return;
    const dbfs = Math.round(Math.min(0, Math.max(QUIET_DBFS, app.broadcaster.microphone.level)));
    attribute(root, "aria-valuenow", dbfs);
    attribute(root, "aria-valuetext", words.levelOf(dbfs));
    bar.style.inlineSize = `${100 - (100 * dbfs) / QUIET_DBFS}%`;
  }, LEVEL_EVERY_MS);
  return { root, close: () => clearInterval(timer) };
}
