/** What goes on although another page is shown: on air, or listening. One line above the player, with the way back and the end. */

import { attribute, h, link, say, show } from "../page/dom.js";
import { userPath } from "../state/route.js";
import { badge, button } from "./controls.js";

/** @param {import("../state/app.js").App} app */
export function nowLine(app) {
  const mark = badge();
  const where = link("/", {});
  const end = button("", () => (app.broadcaster.onAir ? void app.stopStreaming() : app.stopListening()));
  const root = h("section", { class: "now row between", "aria-label": "Going on now" }, mark.root, where, end);
  return {
    root,
    /** @param {import("../state/types.js").State} state */
    update({ air, ear, route, me }) {
      const onAir = (air.phase === "live" || air.phase === "reconnecting") && route.page !== "home";
      const hearing = !onAir && ear.phase !== "off" && me !== null && route.page !== "link" && !(route.page === "user" && route.name === ear.name);
      show(root, onAir || hearing);
      if (!onAir && !hearing) return;
      mark.update(true, "LIVE");
      say(where, onAir ? "You are on air" : `You hear ${ear.name}`);
      attribute(where, "href", onAir ? "/" : userPath(ear.name));
      say(end, onAir ? "Stop" : "Leave");
      attribute(end, "aria-label", onAir ? "Stop Streaming" : "Stop Listening");
      attribute(end, "class", onAir ? "stop" : "");
    },
  };
}
