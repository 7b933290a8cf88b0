/** The player that stays while the page changes. */

import { attribute, h, link, say, show } from "../page/dom.js";
import { clock } from "../page/format.js";
import { userPath } from "../state/route.js";
import { titleOf } from "../page/titles.js";
import { troubleText } from "../page/messages.js";
import { button } from "./controls.js";

/** @param {import("../state/app.js").App} app */
export function miniPlayer(app) {
  const { player } = app;
  const play = button("Play", () => {
    if (player.playing.recording) void player.toggle(player.playing.recording);
  }, { class: "play" });
  const title = link("/library", { class: "mini-title" });
  const time = h("span", { class: "time" });
  const swap = button("", () => player.swap(player.playing.variant === "denoised" ? "original" : "denoised"), { class: "variant" });
  const root = h("section", { class: "mini", "aria-label": "Player" }, play, h("div", { class: "mini-text" }, title, time), swap, button("Close", () => player.load(null), { class: "plain", "aria-label": "Close the player" }));
  return {
    root,
    /** @param {import("../state/types.js").State} state */
    update({ player: playing, me }) {
      const { recording } = playing;
      show(root, recording !== null);
      if (!recording) return;
      attribute(play, "aria-pressed", playing.playing);
      attribute(play, "aria-label", playing.playing ? "Pause" : "Play");
      say(play, playing.playing ? "Pause" : "Play");
      say(title, titleOf(recording));
      attribute(title, "href", recording.username === me?.username ? "/library" : userPath(recording.username));
      say(time, playing.trouble ? troubleText(playing.trouble) : `${clock(playing.position_s)} / ${clock(recording.duration_s)}`);
      show(swap, recording.variants.length > 1);
      const clean = playing.variant === "denoised";
      say(swap, clean ? "Clean" : "Raw");
      attribute(swap, "class", clean ? "variant clean" : "variant raw");
      attribute(swap, "aria-label", clean ? "Clean. Change to raw" : "Raw. Change to clean");
    },
  };
}
