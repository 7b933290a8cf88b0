/** The line above the player, shown on other pages while on air or listening: says so, leads back, and stops. */

import { attribute, h, link, setText, show } from "../page/dom.js";
import { messageText } from "../state/broadcasting.js";
import { hearingNow, statusNow } from "../state/hearing_now.js";
import { userPath } from "../state/route.js";
import { broadcasting } from "../words/broadcasting.js";
import { listening as words } from "../words/listening.js";
import { badge, button } from "./controls.js";

/** @typedef {import("../state/types.js").State} State */

/** @param {import("../state/app.js").App} app */
export function nowLine(app) {
  const mark = badge();
  const where = link("/studio", {});
  const end = button("", () => (isOnAir(app.state) ? void app.stopStreaming() : app.stopListening()));
  const root = h("section", { class: "now row between", "aria-label": words.bar }, mark.root, where, end);
  return {
    root,
    /** @param {State} state */
    update(state) {
      const { listening, route, me } = state;
      const onAir = isOnAir(state) && route.page !== "studio";
      const hearing = !isOnAir(state) && listening.phase !== "off" && me !== null && route.page !== "link" && !(route.page === "user" && route.name === listening.name);
      show(root, onAir || hearing);
      if (!onAir && !hearing) return;
      const { facts } = app.broadcasting;
      const live = onAir ? facts.sign === "live" : statusNow(state, listening.name)?.state === "live";
      mark.update(live, live ? words.live : onAir ? broadcasting.signs[facts.sign] : words.waitingBadge);
      setText(where, onAir ? ownText(facts) : words.barText(hearingNow(state, listening.name), listening.name));
      attribute(where, "href", onAir ? "/studio" : userPath(listening.name));
      setText(end, words.stopShort);
      attribute(end, "aria-label", onAir ? words.stopStreaming : words.stop);
      attribute(end, "class", onAir ? "stop" : "");
    },
  };
}

/** @param {import("../state/onair.js").OnAir} facts */
function ownText(facts) {
  if (facts.sign === "live") return facts.muted ? words.onAirMuted : words.onAir;
  return facts.sign === "reconnecting" ? words.onAirDropped : messageText(facts) || broadcasting.signs[facts.sign];
}

/** @param {State} state */
function isOnAir({ broadcast }) {
  return broadcast.phase === "live" || broadcast.phase === "reconnecting";
}
