"""GStreamer's webrtcbin, with the system's Python: `publish|listen URL TOKEN SECONDS`. The listener says what it heard, as JSON.

Imports nothing of the project: Debian's bindings are for Debian's Python.
"""

import json
import sys
import urllib.request
from urllib.parse import urljoin

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

TONE_HZ, VOLUME = 440, 0.1  # 0.1: a root mean square of -23 dBFS
CAPS = "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,encoding-params=(string)2,payload=97"
PUBLISH = f"""webrtcbin name=end bundle-policy=max-bundle
    audiotestsrc is-live=true wave=sine freq={TONE_HZ} volume={VOLUME} ! audio/x-raw,rate=48000,channels=1
    ! opusenc frame-size=10 bitrate=96000 ! rtpopuspay pt=97 ! {CAPS} ! end."""

LISTEN = "webrtcbin name=end bundle-policy=max-bundle fakesrc num-buffers=0 ! fakesink"  # two elements make it a pipeline


class Phone:
    """One pipeline with one webrtcbin, and the loop that it lives in."""

    def __init__(self, mode, url, token, seconds):
        self.url, self.token, self.seconds = url, token, seconds
        self.loop = GLib.MainLoop()
        self.location = None
        self.levels = []
        self.pipeline = Gst.parse_launch(PUBLISH if mode == "publish" else LISTEN)
        self.end = self.pipeline.get_by_name("end")
        self.ice = self.end.props.ice_agent  # kept: the binding takes the only reference
        self.ice.emit("add-local-ip-address", "127.0.0.1")  # by itself it leaves loopback out
        if mode == "listen":
            self.end.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.caps_from_string(CAPS))
            self.end.connect("pad-added", self.on_pad)
        self.end.connect("on-negotiation-needed", self.on_negotiation)
        self.end.connect("notify::ice-gathering-state", self.on_gathered)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add(int(self.seconds * 1000) + 8000, self.loop.quit)
        self.loop.run()
        if self.location:
            self.request("DELETE", self.location)
        self.pipeline.set_state(Gst.State.NULL)

    def request(self, method, url, body=None):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/sdp"}
        return urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=10)

    def on_negotiation(self, end):
        end.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))

    def on_offer(self, promise):
        reply = promise.get_reply()  # owns the offer: has to live until that is copied
        offer = reply.get_value("offer")
        self.end.emit("set-local-description", offer, Gst.Promise.new())

    def on_gathered(self, end, _):
        if end.props.ice_gathering_state == GstWebRTC.WebRTCICEGatheringState.COMPLETE and not self.location:
            GLib.idle_add(self.call)

    def call(self):
        offer = self.end.props.local_description.sdp.as_text()
        with self.request("POST", self.url, offer.encode()) as response:
            self.location = urljoin(self.url, response.headers["Location"])
            text = response.read()
        _, sdp = GstSdp.SDPMessage.new_from_text(text.decode())
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.end.emit("set-remote-description", answer, Gst.Promise.new())
        GLib.timeout_add(int(self.seconds * 1000), self.loop.quit)
        return False

    def on_pad(self, end, pad):
        ear = Gst.parse_bin_from_description(
            "rtpopusdepay ! opusdec ! audioconvert ! level interval=100000000 ! fakesink sync=false",
            True,
        )
        self.pipeline.add(ear)
        ear.sync_state_with_parent()
        pad.link(ear.get_static_pad("sink"))

    def on_message(self, _, message):
        if message.type == Gst.MessageType.ERROR:
            sys.exit(str(message.parse_error()))
        said = message.get_structure()
        if message.type == Gst.MessageType.ELEMENT and said.get_name() == "level":
            self.levels.append(said.get_value("rms")[0])


def main(mode, url, token, seconds):
    Gst.init(None)
    phone = Phone(mode, url, token, seconds)
    phone.run()
    if mode == "listen":
        print(json.dumps({"levels": phone.levels}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]))
