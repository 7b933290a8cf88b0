/** The first page: who is on air, then friends (beside it on wide screens), then the way to the own studio. */

import { attribute, disable, h, link, Rows, setText, show } from "../page/dom.js";
import { capitalised, minute } from "../page/format.js";
import { offered, recordingOf, soundOf } from "../state/heard.js";
import { hearingNow, statusAge, statusNow } from "../state/hearing_now.js";
import { awayText, isReached } from "../state/reached.js";
import { userPath } from "../state/route.js";
import { listening } from "../words/listening.js";
import { home as words } from "../words/people.js";
import { badge, button } from "./controls.js";
import { friendsPart, inOrder, inviteButton } from "./people.js";

/** @typedef {import("../state/types.js").Friend} Friend */
/** @typedef {import("../state/types.js").State} State */

/** @param {import("../state/app.js").App} app */
export function home(app) {
  const head = h("h1", { tabindex: "-1" });
  const quiet = h("p", { class: "quiet" });
  const invite = inviteButton(app);
  const first = h("div", { class: "wide" }, invite);
  const list = h("ul", { class: "on-air", "aria-label": words.air });
  const rows = new Rows(list, (/** @type {Friend} */ friend) => friend.username, (friend) => airRow(app, friend.username));
  const friends = friendsPart(app, () => (friends.root.checkVisibility() ? null : head));
  const narrow = h("div", { class: "narrow" }, friends.root);
  const studio = studioPart(app);
  const root = h("div", { class: "home" }, head, quiet, first, list, friends.incoming, narrow, studio.root);
  /** @param {State} state */
  const update = (state) => {
    const live = inOrder(state.friends ?? []).filter((friend) => friend.live);
    const names = live.map((friend) => friend.username);
    setText(head, headText(state, names));
    setText(quiet, quietText(state, names));
    show(quiet, quiet.textContent !== "");
    show(first, state.friends?.length === 0); // beside the sentence that says so; a phone has the friends' one right below
    disable(!isReached(state), invite);
    show(list, live.length > 0);
    for (const each of [narrow, studio.root]) show(each, !isReached(state) || (state.friends !== null && app.friends.asked)); // what comes later would move them away from under a press
    app.polling.follow(names);
    rows.update(live);
    friends.update(state);
    studio.update(state);
  };
  return {
    root,
    title: words.title,
    update,
    close() {
      rows.close();
      friends.close();
      app.polling.follow([]);
    },
  };
}

/** @param {State} state @param {readonly string[]} live */
function headText(state, live) {
  if (!isReached(state)) return words.unknown;
  return state.friends === null ? words.looking : words.lead(live);
}

/** @param {State} state @param {readonly string[]} live */
function quietText(state, live) {
  if (!isReached(state)) return [awayText(state), words.before(live)].filter(Boolean).join(" ");
  if (live.length || state.friends === null) return "";
  return state.friends.length ? words.quiet : words.first;
}

/** @param {import("../state/app.js").App} app @param {string} name */
function airRow(app, name) {
  const mark = badge();
  const since = h("span", { class: "quiet" });
  const note = h("span", { class: "quiet" });
  const sound = h("span");
  const recorded = h("span", { class: "quiet" });
  const title = h("p", { class: "broadcast-title" });
  const press = button(words.start, () => (isHeard(app.state, name) ? app.stopListening() : void app.startListening(name)), { class: "primary" });
  const root = h("li", null,
    h("div", { class: "air-text" }, h("h2", { class: "air-name" }, link(userPath(name), {}, name)), h("p", { class: "row" }, mark.root, since, note),
      h("p", { class: "air-sound" }, sound, recorded), title), press);
  return {
    root,
    /** @param {Friend} friend */
    update(friend) {
      const { state } = app;
      const reached = isReached(state);
      const status = reached ? statusNow(state, name) : undefined;
      const heard = isHeard(state, name);
      mark.update(reached, reached ? words.live : listening.notKnown);
      setText(since, reached && friend.since ? words.since(minute(friend.since)) : "");
      setText(title, status?.title ?? "");
      show(title, title.textContent !== "");
      setText(note, status?.state === "parked" ? words.away : status?.muted ? words.muted : "");
      const variant = heard ? soundOf(hearingNow(state, name)) : offered(status);
      const kept = recordingOf(status, statusAge(state, name));
      setText(sound, variant ? words.sounds[variant] : "");
      attribute(sound, "class", variant ? `heard ${variant}` : null);
      setText(recorded, kept ? (variant ? ` · ${words.recorded[kept]}` : capitalised(words.recorded[kept])) : "");
      setText(press, heard ? words.stop : words.start);
      attribute(press, "aria-label", heard ? words.stopLabel(name) : words.startLabel(name));
      attribute(press, "class", heard ? "primary leave" : "primary");
      press.disabled = !reached && !heard;
    },
  };
}

/** @param {State} state @param {string} name */
function isHeard(state, name) {
  return state.listening.name === name && state.listening.phase !== "off";
}

/** @param {import("../state/app.js").App} app */
function studioPart(app) {
  const text = h("p", { class: "quiet" });
  const root = h("section", { class: "own", "aria-label": words.studio }, h("div", null, h("h2", null, words.studio), text), link("/studio", { class: "button" }, words.open));
  return {
    root,
    /** @param {State} state */
    update: (state) => setText(text, ownText(state, app.broadcasting.facts.sign)),
  };
}

/** What the own studio does now, as far as it is known. @param {State} state @param {import("../state/onair.js").Sign} sign that stands in the studio */
export function ownText(state, sign) {
  if (!isReached(state)) return words.notTold;
  const status = statusNow(state, state.me?.username ?? "");
  if (!status) return "";
  if (status.state === "parked" || (status.live && sign !== "live" && sign !== "stopping")) return words.parked;
  if (!status.live || sign === "stopping") return words.off;
  if (status.muted) return words.onMuted;
  return status.since ? words.on(minute(status.since)) : words.off;
}
