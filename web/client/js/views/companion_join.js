/** A companion device's page: remote control of the broadcast, or marks in it (chords, practice). It shows what the server says of the broadcast. */

import { api, asProblem } from "../server/api.js";
import { attribute, h, setText, show } from "../page/dom.js";
import { troubleText } from "../words/errors.js";
import { remote as words } from "../words/companions.js";
import { button, toggle } from "./controls.js";

/** @typedef {{live: boolean, muted: boolean, denoise: boolean, kind: "practice" | "remote"}} Desk   the server's `desk` */
/** @typedef {import("../server/socket.js").Socket} Socket */

const CHORDS = ["C", "Dm", "Em", "F", "G", "Am", "Bdim", "D", "E", "A", "Bm", "G7"];

/** @param {import("../state/app.js").App} app @param {string} id */
export function companionJoin(app, id) {
  const head = h("h1", { tabindex: "-1" }, words.title);
  const note = h("p", { class: "message", role: "status" }, words.connecting);
  const devices = h("p", { class: "quiet" });
  const session = app.companion(id);
  const control = remoteDesk(session);
  const marks = marksDesk(session);
  /** Whether the broadcast was live under this page. */
  let wasLive = false;
  /** @param {string} sentence shown in place of the desk, which would not work */
  const close = (sentence) => {
    control.show(null);
    marks.show(null);
    setText(devices, "");
    setText(note, sentence);
  };

  session.addEventListener("desk", (event) => {
    const desk = /** @type {CustomEvent<Desk>} */ (event).detail;
    control.show(desk.kind === "remote" ? desk : null);
    marks.show(desk.kind === "practice" ? desk : null);
    setText(head, desk.kind === "practice" ? words.practiceTitle : words.title);
    setText(note, sentence(desk, wasLive));
    wasLive ||= desk.live;
  });
  session.addEventListener("down", () => close(words.lost));
  session.addEventListener("refused", () => close(words.over));
  session.addEventListener("connection_update", (event) => setText(devices, words.devices(/** @type {CustomEvent} */ (event).detail.devices)));
  const code = location.hash.slice(1);
  const begin = async () => {
    try {
      if (code) await api.join(id, code);
      session.connect();
    } catch (error) {
      const problem = asProblem(error);
      close(problem.status === 403 ? words.wrongCode : problem.status === 404 ? words.over : troubleText(problem.trouble()));
    }
  };
  void begin();
  return {
    root: h("div", { class: "join" }, head, note, devices, control.root, marks.root),
    title: words.title,
    update: () => undefined,
    close: () => session.close(),
  };
}

/** @param {Desk} desk @param {boolean} wasLive */
function sentence({ live, muted, kind }, wasLive) {
  if (!live) return wasLive ? words.ended : kind === "practice" ? words.quietMarks : words.quiet;
  if (kind === "practice") return words.liveMarks;
  return muted ? words.liveMuted : words.live;
}

/** @param {Socket} session */
function remoteDesk(session) {
  /** @param {string} action */
  const tell = (action) => session.send("remote", { action });
  const mute = button(words.mute, () => tell(mute.getAttribute("aria-pressed") === "true" ? "unmute" : "mute"), { "aria-pressed": "false" });
  const denoise = toggle(words.denoise, (on) => tell(on ? "denoise_on" : "denoise_off"));
  const stop = button(words.stop, () => tell("stop"), { class: "stop", "aria-label": words.stopLabel });
  const root = h("section", { class: "desk", hidden: true, "aria-label": words.control }, denoise.root, mute, stop);
  return {
    root,
    /** @param {Desk | null} desk as it is on the computer; null hides it */
    show(desk) {
      show(root, desk !== null);
      attribute(mute, "aria-pressed", Boolean(desk?.muted));
      denoise.update(Boolean(desk?.denoise), !desk?.live);
      mute.disabled = !desk?.live;
      stop.disabled = !desk?.live;
    },
  };
}

/** @param {Socket} session */
function marksDesk(session) {
  const chord = h("p", { class: "chord", "aria-live": "off" });
  let practising = false;
  const practice = button(words.startPractice, () => session.send(practising ? "practice_end" : "practice_start", { timestamp: Date.now() }));
  const root = h("section", { class: "join-desk", hidden: true, "aria-label": words.practiceTitle }, practice, chord,
    h("div", { class: "chords", role: "group", "aria-label": words.chords }, ...CHORDS.map((name) => button(name, () => session.send("chord_change", { chord: name })))));
  session.addEventListener("chord_change", (event) => setText(chord, /** @type {CustomEvent} */ (event).detail.chord));
  session.addEventListener("practice_update", (event) => {
    practising = /** @type {CustomEvent} */ (event).detail.status === "started";
    setText(practice, practising ? words.endPractice : words.startPractice);
  });
  return {
    root,
    /** @param {Desk | null} desk null hides it */
    show(desk) {
      show(root, desk !== null);
    },
  };
}
