"""What a page lets be heard, sample by sample, whichever of its connections it comes from and whichever of its audio elements plays it.

Call `overhear` before the page is loaded and `begin` once it plays; `overheard` gives what was heard since then. The page needs
`bypass_csp=True`, for the recorder is a module of the test's own.
"""

import base64
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Page
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import correlate

from tests.support.sound import RATE_HZ, Sound

SILENT = RATE_HZ // 200  # samples of 0 in a row, of which a voice with noise around it has none
JUDGED_S = 2.5  # of sound before and after a seam, by which its place in what was said is found
MOST_S = 3.0  # left out or heard twice; the voice has to be longer than twice that
SPOKEN, AROUND_S = 0.02, 0.3  # of full scale; and how long the voice is as loud at least where it counts as speaking
SEAM_S = 0.1  # around a seam, in which the sound may be of both sides

# The page's audio elements tell what is done to them.
ELEMENTS = """() => {
  const audios = (window.__audios = []);
  const Real = window.Audio;
  window.Audio = class {
    constructor(...given) {
      const audio = new Real(...given);
      for (const name of ["muted", "srcObject"]) {
        const { get, set } = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, name);
        Object.defineProperty(audio, name, { get, set(value) { set.call(audio, value); window.__changed?.(audio); } });
      }
      audios.push(audio);
      return audio;
    }
  };
}"""
# Each stream goes to one recorder, by a gain of 1 while an element lets it be heard. `sum` counts what the browser has made up.
BEGIN = """async () => {
  const context = new AudioContext({ sampleRate: 48000 });
  const code = `registerProcessor("recorder", class extends AudioWorkletProcessor {
    constructor() { super(); this.block = new Float32Array(6144); this.at = 0; }
    process([[channel]]) {
      if (channel) this.block.set(channel, this.at);
      this.at += 128;
      if (this.at < this.block.length) return true;
      this.port.postMessage([currentFrame + 128 - this.at, this.block]);
      this.block = new Float32Array(this.block.length);
      this.at = 0;
      return true;
    }
  })`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  const sum = { began: performance.now(), now: 0, concealed: 0, everywhere: 0, longest: 0, bursts: [] };
  const heard = (window.__heard = { blocks: [], seams: [], sum });
  recorder.port.onmessage = ({ data }) => heard.blocks.push(data);
  const ways = new Map();
  const isHeard = (audio) => audio.srcObject !== null && !audio.muted && !audio.paused;
  window.__changed = (audio) => {
    const way = ways.get(audio);
    if (way && way.stream !== audio.srcObject) {
      way.source.disconnect();
      way.gain.disconnect();
      ways.delete(audio);
    }
    if (audio.srcObject && !ways.has(audio)) {
      const source = context.createMediaStreamSource(audio.srcObject), gain = new GainNode(context, { gain: 0 });
      source.connect(gain).connect(recorder);
      ways.set(audio, { stream: audio.srcObject, source, gain });
    }
    if (ways.has(audio)) ways.get(audio).gain.gain.setValueAtTime(isHeard(audio) ? 1 : 0, context.currentTime);
    if (isHeard(audio)) heard.seams.push(Math.round(context.currentTime * 48000));
  };
  for (const audio of window.__audios) window.__changed(audio);
  heard.seams = [];
  const last = new Map();
  let asking = false;
  setInterval(async () => {
    if (asking) return;
    asking = true;
    sum.longest = Math.max(sum.longest, performance.now() - (sum.now || sum.began));
    for (const connection of window.__connections) {
      if (connection.connectionState === "closed") continue;
      for (const row of (await connection.getStats()).values()) {
        if (row.type !== "inbound-rtp") continue;
        const audible = window.__audios.some((audio) => isHeard(audio) && audio.srcObject.getAudioTracks()[0]?.id === row.trackIdentifier);
        const concealed = (row.concealedSamples ?? 0) - (row.silentConcealedSamples ?? 0);
        const before = last.get(row.trackIdentifier) ?? { concealed: sum.now ? 0 : concealed, audible };
        last.set(row.trackIdentifier, { concealed, audible });
        sum.everywhere += concealed - before.concealed;
        if (concealed === before.concealed || !(audible || before.audible)) continue; // rather too much than too little
        sum.concealed += concealed - before.concealed;
        sum.bursts.push([performance.now() - sum.began, concealed - before.concealed]);
      }
    }
    sum.now = performance.now();
    asking = false;
  }, 25);
}"""
HEARD = """() => {
  const { blocks, seams, sum } = window.__heard;
  const first = blocks[0][0];
  const samples = new Int16Array(blocks.length * blocks[0][1].length);
  blocks.forEach(([, block], index) => block.forEach((sample, at) => { samples[index * block.length + at] = Math.round(sample * 32768); }));
  const bytes = new Uint8Array(samples.buffer);
  let text = "";
  for (let from = 0; from < bytes.length; from += 32768) text += String.fromCharCode(...bytes.subarray(from, from + 32768));
  return { sound: btoa(text), seams: seams.map((each) => each - first), sum };
}"""


class Overheard(NamedTuple):
    """sound: what was heard; seams: where in it another connection was heard instead; concealed_s: made up by the browser in what was
    heard, everywhere_s: in all that came; bursts: when that was and how much, in s since `begin`; passed_s: of the page's clock
    meanwhile; longest_s: between two looks at what was made up.
    """

    sound: Sound
    seams: list[int]
    concealed_s: float
    everywhere_s: float
    bursts: list[tuple[float, float]]
    passed_s: float
    longest_s: float


async def overhear(page: Page) -> None:
    """Call it before the page is loaded. Wants `people.watched` too."""
    await page.add_init_script(f"({ELEMENTS})()")


async def begin(page: Page) -> None:
    """From now on the page's sound is kept."""
    await page.evaluate(BEGIN)


async def overheard(page: Page) -> Overheard:
    """What was heard since `begin`."""
    found = await page.evaluate(HEARD)
    said = found["sum"]
    sound = np.frombuffer(base64.b64decode(found["sound"]), np.int16).astype(np.float32) / 32768
    passed_s = (said["now"] - said["began"]) / 1000
    bursts = [(at_ms / 1000, samples / RATE_HZ) for at_ms, samples in said["bursts"]]
    concealed_s, everywhere_s = said["concealed"] / RATE_HZ, said["everywhere"] / RATE_HZ
    return Overheard(sound, found["seams"], concealed_s, everywhere_s, bursts, passed_s, said["longest"] / 1000)


def silent_s(sound: Sound, matters: NDArray[np.bool_] | None = None) -> float:
    """How long nothing at all was heard since the first sound. matters: for each sample whether it counts, as of `spoken`."""
    loud = np.append(np.flatnonzero(sound), len(sound))
    gaps = np.flatnonzero(np.diff(loud) - 1 >= SILENT)
    counts = np.ones(len(sound), bool) if matters is None else matters
    return float(sum(counts[loud[gap] + 1 : loud[gap + 1]].sum() for gap in gaps)) / RATE_HZ


def spoken(sound: Sound, seams: Sequence[int], clean: Sound) -> NDArray[np.bool_]:
    """For each sample whether the voice, said over and over, speaks there and around there: the pauses of a cleaned voice may be silent.

    Each stretch between two seams is looked up in the clean voice by its loudest second.
    """
    power = uniform_filter1d(clean.astype(np.float64) ** 2, RATE_HZ // 20, mode="wrap")
    speaks = minimum_filter1d(power, int(AROUND_S * RATE_HZ), mode="wrap") > SPOKEN**2
    found = np.zeros(len(sound), bool)
    for begin, end in pairwise([0, *seams, len(sound)]):
        if end - begin < 2 * RATE_HZ:  # too short to be looked up
            found[begin:end] = True
            continue
        energy = np.cumsum(sound[begin:end].astype(np.float64) ** 2)
        piece = begin + int(np.argmax(energy[RATE_HZ:] - energy[:-RATE_HZ]))
        place = int(np.argmax(_likeness(clean, sound[piece : piece + RATE_HZ])))
        found[begin:end] = speaks[(np.arange(begin, end) - piece + place) % len(clean)]
    return found


def skipped_s(sound: Sound, seam: int, said: Sound) -> float:
    """How much of what was said, over and over, is not heard at this seam; negative: is heard twice. Up to MOST_S, both ways."""
    length, margin, most = int(JUDGED_S * RATE_HZ), int(SEAM_S * RATE_HZ), int(MOST_S * RATE_HZ)
    before, after = seam - margin - length, seam + margin
    piece = sound[after : after + length]
    place = int(np.argmax(_likeness(said, sound[before : before + length])))
    around = np.roll(_likeness(said, piece), most - (place + after - before) % len(said))
    return float(np.argmax(around[: 2 * most + 1]) - most) / RATE_HZ


def _likeness(said: Sound, piece: Sound) -> Sound:
    """For each place in what is said over and over how much it is like this piece there; by shape, for elsewhere it may be louder."""
    around = np.concatenate([said, said[: len(piece) - 1]])
    power = np.cumsum(np.concatenate([[0.0], around.astype(np.float64) ** 2]))
    loudness = np.maximum(power[len(piece) :] - power[: -len(piece)], 1e-9)
    likeness: Sound = correlate(around, piece, mode="valid", method="fft") ** 2 / loudness
    return likeness
