/** Hear yourself: a button, and a sentence that says what is recorded or heard now. */

import { attribute, h, setText } from "../page/dom.js";
import { troubleText } from "../words/errors.js";
import { hearing } from "../words/broadcasting.js";
import { button } from "./controls.js";

/** @typedef {import("../state/types.js").State} State */

/** @param {import("../state/app.js").App} app */
export function hearYourself(app) {
  const start = button(hearing.button, () => void app.broadcasting.hearYourself());
  const said = h("p", { class: "quiet", role: "status" });
  return {
    root: h("section", { class: "yourself", "aria-label": hearing.label }, start, said),
    /** @param {State} state @param {boolean} possible there may be a microphone */
    update({ yourself, broadcast }, possible) {
      const running = ["connecting", "recording", "raw", "clean"].includes(yourself.phase);
      setText(start, running ? hearing.stop : hearing.button);
      start.disabled = !possible;
      setText(said, sentence(yourself, broadcast.profile));
      attribute(said, "class", yourself.phase === "failed" ? "wrong" : yourself.phase === "clean" || yourself.phase === "raw" ? `heard ${yourself.phase}` : "quiet");
      attribute(said, "aria-live", yourself.phase === "recording" && yourself.left_s < 5 ? "off" : null); // the count is not read out
    },
  };
}

/** @param {State["yourself"]} yourself @param {State["broadcast"]["profile"]} profile */
function sentence({ phase, left_s, cleaned, trouble }, profile) {
  if (phase === "failed" && trouble?.code === "too_many_attempts") return hearing.busy;
  if (phase === "failed") return trouble && trouble.code !== "failed" ? troubleText(trouble) : hearing.failed;
  if (phase === "connecting") return hearing.connecting;
  if (phase === "recording") return hearing.recording(left_s);
  if (phase === "raw" || phase === "clean") return hearing[phase];
  if (phase === "done") return cleaned ? hearing.done : profile === "asis" ? hearing.asis : hearing.uncleaned;
  return hearing.explain;
}
