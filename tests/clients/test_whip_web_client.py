"""@eyevinn/whip-web-client, the library that many pages publish with, in Chromium and from another origin."""

import statistics

import pytest

from tests.clients.stage import NPM, TALK_S, Stage, measured
from tests.conftest import missing_program

FILES = {
    "whip": "@eyevinn/whip-web-client/dist/whip-client.js",
    "events": "events/events.js",
    "sdp-transform": "sdp-transform/lib/index.js",
    "./parser": "sdp-transform/lib/parser.js",
    "./writer": "sdp-transform/lib/writer.js",
    "./grammar": "sdp-transform/lib/grammar.js",
}
INGEST = """async ([files, endpoint, authkey]) => {
    const loaded = {};
    const require = name => {  // its files are CommonJS
        if (!loaded[name]) {
            const module = loaded[name] = {exports: {}};
            new Function('module', 'exports', 'require', files[name])(module, module.exports, require);
        }
        return loaded[name].exports;
    };
    const {WHIPClient} = require('whip');
    window.client = new WHIPClient({endpoint, opts: {authkey, iceServers: [], timeout: 200}});
    const wish = {noiseSuppression: false, autoGainControl: false, echoCancellation: false};
    const stream = await navigator.mediaDevices.getUserMedia({audio: wish, video: true});
    await client.ingest(stream);
    window.analyser = new AnalyserNode(new AudioContext(), {fftSize: 2048});
    analyser.context.createMediaStreamSource(stream).connect(analyser);
    return [await client.getResourceUrl(), await client.getResourceExtensions()];
}"""
LEVELS = """async count => {
    const levels = [];
    for (; count > 0; count -= 1) {
        await new Promise(then => setTimeout(then, 100));
        const samples = new Float32Array(analyser.fftSize);
        analyser.getFloatTimeDomainData(samples);
        levels.push(10 * Math.log10(samples.reduce((sum, each) => sum + each * each, 1e-12) / samples.length));
    }
    return levels;
}"""


@pytest.mark.parametrize("origin", ["own", "other"])
async def test_whip_web_client_publishes(stage: Stage, visit, elsewhere: str, origin: str) -> None:
    """With a camera beside the microphone (the video is refused, the voice is not), trickling or not; its `destroy` is Stop."""
    if not (NPM / "@eyevinn" / "whip-web-client").is_dir():
        missing_program("@eyevinn/whip-web-client")
    sources = {name: (NPM / file).read_text() for name, file in FILES.items()}
    page = await visit(
        elsewhere if origin == "other" else f"{stage.house.url}/login", bypass_csp=True, permissions=["microphone", "camera"]
    )
    location, extensions = await page.evaluate(INGEST, [sources, stage.whip, stage.publish])
    assert location.startswith(f"{stage.house.url}/whip/ada/") and extensions == []
    await stage.ben.until("ada", live=True)
    payloads = await stage.heard(TALK_S - 1)
    levels = await page.evaluate(LEVELS, 20)
    assert abs(measured(payloads).level_dbfs - statistics.fmean(levels)) < 12, levels
    await page.evaluate("client.destroy()")
    assert not (await stage.ada.status())["live"]
