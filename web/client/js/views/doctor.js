/** Does sound get through from here, and may the microphone be used: tested, and told in plain words. */

import { asProblem } from "../server/api.js";
import { h, say, show } from "../page/dom.js";
import { ask, HEARING, hearing, reach, reachText } from "../rtc/self_test.js";
import { troubleText } from "../page/messages.js";
import { button } from "./controls.js";

export function doctor() {
  const way = h("p", { role: "status" });
  const microphone = h("p", { role: "status" });
  const again = button("Test again", () => void run());
  const allow = button("Try the microphone", () => void ask().then((found) => hear(found)));
  /** @param {import("../rtc/self_test.js").Hearing} found */
  const hear = (found) => {
    say(microphone, HEARING[found]);
    show(allow, found === "asks" || found === "busy");
  };
  const run = async () => {
    again.disabled = true;
    say(way, "Trying UDP and TCP.");
    hear(await hearing());
    try {
      say(way, reachText(await reach()));
    } catch (error) {
      say(way, troubleText(asProblem(error).trouble()));
    }
    again.disabled = false;
  };
  void run();
  return {
    root: h("div", { class: "settings" }, h("h1", { tabindex: "-1" }, "Does it work from here?"),
      h("section", { class: "topic", "aria-label": "The way to the server" }, h("h2", null, "The way to the server"), way),
      h("section", { class: "topic", "aria-label": "Microphone" }, h("h2", null, "Microphone"), microphone, allow),
      again),
    title: "Does it work from here?",
    update: () => undefined,
    close: () => undefined,
  };
}
