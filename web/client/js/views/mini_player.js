/** The recording player that stays when the page changes. */

import { attribute, h, link, setText, show } from "../page/dom.js";
import { userPath } from "../state/route.js";
import { titleOf } from "../page/titles.js";
import { troubleText } from "../words/errors.js";
import { listening as words } from "../words/listening.js";
import { recordings as recordingWords } from "../words/recordings.js";
import { button } from "./controls.js";

/** @param {import("../state/app.js").App} app */
export function miniPlayer(app) {
  const { player } = app;
  const play = button(words.play, () => {
    if (player.playing.recording) void player.toggle(player.playing.recording);
  }, { class: "play" });
  const title = link("/library", { class: "mini-title" });
  const time = h("span", { class: "time" });
  const heard = h("span");
  const swap = button("", () => player.switchVariant(player.playing.variant === "denoised" ? "original" : "denoised"), {});
  const root = h("section", { class: "mini", "aria-label": words.player }, play, h("div", { class: "mini-text" }, title, h("p", null, time, heard)), swap, button(words.close, () => player.load(null), { class: "plain", "aria-label": words.closePlayer }));
  return {
    root,
    /** @param {import("../state/types.js").State} state */
    update({ player: playing, me }) {
      const { recording } = playing;
      show(root, recording !== null);
      if (!recording) return;
      attribute(play, "aria-pressed", playing.playing);
      attribute(play, "aria-label", playing.playing ? words.pause : words.play);
      setText(play, playing.playing ? words.pause : words.play);
      setText(title, titleOf(recording));
      attribute(title, "href", recording.username === me?.username ? "/library" : userPath(recording.username));
      setText(time, playing.trouble ? troubleText(playing.trouble) : recordingWords.time(playing.position_s, recording.duration_s));
      setText(heard, playing.trouble ? "" : recordingWords.heardNow(playing.heard, playing.variant));
      attribute(heard, "class", `heard ${playing.heard}`);
      show(swap, recording.variants.length > 1);
      setText(swap, playing.variant === "denoised" ? words.toRaw : words.toClean);
    },
  };
}
