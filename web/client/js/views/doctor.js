/** The self-test's page: whether sound gets through from here, and whether the microphone may be used. */

import { asProblem } from "../server/api.js";
import { h, setText, show } from "../page/dom.js";
import { microphoneState, testReachability, tryMicrophone } from "../rtc/self_test.js";
import { troubleText } from "../words/errors.js";
import { reachabilityText, selfTest } from "../words/self_test.js";
import { button } from "./controls.js";

export function doctor() {
  const reachability = h("p", { role: "status" });
  const microphone = h("p", { role: "status" });
  const testAgain = button(selfTest.again, () => void run());
  const allow = button(selfTest.tryMicrophone, () => void tryMicrophone().then((found) => showMicrophone(found)));
  /** @param {import("../rtc/self_test.js").MicrophoneState} found */
  const showMicrophone = (found) => {
    setText(microphone, selfTest.microphones[found]);
    show(allow, found === "asks" || found === "busy");
  };
  const run = async () => {
    testAgain.disabled = true;
    setText(reachability, selfTest.trying);
    showMicrophone(await microphoneState());
    try {
      setText(reachability, reachabilityText(await testReachability()));
    } catch (error) {
      setText(reachability, troubleText(asProblem(error).trouble()));
    }
    testAgain.disabled = false;
  };
  void run();
  return {
    root: h("div", { class: "settings" }, h("h1", { tabindex: "-1" }, selfTest.title),
      h("section", { class: "topic", "aria-label": selfTest.way }, h("h2", null, selfTest.way), reachability),
      h("section", { class: "topic", "aria-label": selfTest.microphone }, h("h2", null, selfTest.microphone), microphone, allow),
      testAgain),
    title: selfTest.title,
    update: () => undefined,
    close: () => undefined,
  };
}
