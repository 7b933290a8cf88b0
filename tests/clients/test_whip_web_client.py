"""@eyevinn/whip-web-client, the library that many pages publish with, in Chromium and from another origin."""

import pytest

from tests.clients.stage import NPM, Stage, measured
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
    return [await client.getResourceUrl(), await client.getResourceExtensions()];
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
    level = measured(await stage.heard(samples=480)).level_dbfs
    assert -60 < level < -6, level  # speech, somewhere in its file
    await page.evaluate("client.destroy()")
    assert not (await stage.ada.status())["live"]
