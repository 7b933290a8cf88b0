/** A companion device's page: remote control of the own broadcast, and marks in it (chords, practice). */

import { api, asProblem } from "../server/api.js";
import { attribute, h, say, show } from "../page/dom.js";
import { troubleText } from "../page/messages.js";
import { button, toggle } from "./controls.js";

const CHORDS = ["C", "Dm", "Em", "F", "G", "Am", "Bdim", "D", "E", "A", "Bm", "G7"];

/** @param {import("../state/app.js").App} app @param {string} id */
export function companionJoin(app, id) {
  const note = h("p", { class: "message", role: "status" }, "Connecting.");
  const devices = h("p", { class: "quiet" });
  const chord = h("p", { class: "chord", "aria-live": "off" });
  const session = app.companion(id);
  /** @param {string} action */
  const remote = (action) => session.send("remote", { action });
  let muted = false;
  let practising = false;
  const mute = button("Mute", () => {
    muted = !muted;
    remote(muted ? "mute" : "unmute");
    attribute(mute, "aria-pressed", muted);
  }, { "aria-pressed": "false" });
  const denoise = toggle("Denoise", (on) => {
    remote(on ? "denoise_on" : "denoise_off");
    denoise.update(on);
  }, "clean");
  denoise.update(true);
  const practice = button("Start practice", () => {
    practising = !practising;
    session.send(practising ? "practice_start" : "practice_end", { timestamp: Date.now() });
  });
  const control = h("div", { class: "desk" }, denoise.root, mute, button("Stop", () => remote("stop"), { class: "stop", "aria-label": "Stop Streaming" }));
  const marks = h("div", { class: "join-desk" }, practice, chord, h("div", { class: "chords" }, ...CHORDS.map((name) => button(name, () => session.send("chord_change", { chord: name })))));
  const desk = h("div", { class: "join-desk" }, control, marks);
  show(desk, false);

  session.addEventListener("open", () => {
    show(desk, true);
    say(note, "Connected. What you press here happens on the computer.");
  });
  session.addEventListener("down", () => say(note, "Connection lost. Trying again."));
  session.addEventListener("refused", () => {
    show(desk, false);
    say(note, "This session is over. Open a new one on the computer.");
  });
  session.addEventListener("connection_update", (event) => say(devices, `${/** @type {CustomEvent} */ (event).detail.devices} devices connected.`));
  session.addEventListener("chord_change", (event) => say(chord, /** @type {CustomEvent} */ (event).detail.chord));
  session.addEventListener("practice_update", (event) => {
    practising = /** @type {CustomEvent} */ (event).detail.status === "started";
    say(practice, practising ? "End practice" : "Start practice");
  });
  const code = location.hash.slice(1);
  const begin = async () => {
    try {
      const joined = code ? await api.join(id, code) : null;
      show(control, joined?.kind !== "practice");
      show(marks, joined?.kind !== "remote");
      session.connect();
    } catch (error) {
      const problem = asProblem(error);
      say(note, problem.status === 403 ? "That code is not right. Scan the square on the computer again." : troubleText(problem.trouble()));
    }
  };
  void begin();
  return {
    root: h("div", { class: "join" }, h("h1", { tabindex: "-1" }, "Remote"), note, devices, desk),
    title: "Remote",
    update: () => undefined,
    close: () => session.close(),
  };
}
