// Runs inside a page of the running server: `loss.publish(...)`, `loss.listen(...)`, `loss.counts(name)`. Ports lead through bad networks.
window.loss = (() => {
  const peers = new Map();
  const led = (sdp, port) => sdp.replace(/(a=candidate:\S+ 1 udp \d+ \S+) \d+ typ/g, `$1 ${port} typ`);
  const repaired = (sdp) => {
    const opus = sdp.match(/a=rtpmap:(\d+) opus\/48000/)[1];
    return sdp.replace(new RegExp(`(a=rtpmap:${opus} .*)`), `$1\r\na=rtcp-fb:${opus} nack`);
  };
  const prefer = (transceiver, capabilities, red) => {
    const wanted = red ? ["audio/red", "audio/opus"] : ["audio/opus"];
    transceiver.setCodecPreferences(wanted.map((type) => capabilities.codecs.find((codec) => codec.mimeType === type)));
  };
  const call = async (peer, url, port, nack) => {
    const offer = await peer.createOffer();
    const sdp = nack ? repaired(offer.sdp) : offer.sdp;
    await peer.setLocalDescription({ type: "offer", sdp });
    const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: sdp });
    if (answer.status !== 201) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
    await peer.setRemoteDescription({ type: "answer", sdp: led(await answer.text(), port) });
    await new Promise((connected) => {
      const look = () => peer.connectionState === "connected" && connected();
      peer.addEventListener("connectionstatechange", look);
      look();
    });
  };

  const publish = async ({ name, url, port, red, nack }) => {
    const constraints = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: constraints });
    const peer = new RTCPeerConnection();
    prefer(peer.addTransceiver(stream.getAudioTracks()[0], { direction: "sendonly" }), RTCRtpSender.getCapabilities("audio"), red);
    peers.set(name, peer);
    await call(peer, url, port, nack);
  };
  const listen = async ({ name, url, port, red, nack }) => {
    const peer = new RTCPeerConnection();
    const transceiver = peer.addTransceiver("audio", { direction: "recvonly" });
    prefer(transceiver, RTCRtpReceiver.getCapabilities("audio"), red);
    transceiver.receiver.jitterBufferTarget = 0;
    const ear = new Audio();
    peer.ontrack = ({ track }) => { ear.srcObject = new MediaStream([track]); ear.play(); };
    peers.set(name, peer);
    peer.ear = ear; // kept from the garbage collector
    await call(peer, url, port, nack);
  };
  const counts = async (name) => {
    const found = {};
    for (const row of (await peers.get(name).getStats()).values()) {
      const remote = row.type === "remote-inbound-rtp" && { reported_loss: row.fractionLost, round_trip_s: row.roundTripTime };
      if (row.type === "inbound-rtp" || row.type === "outbound-rtp") for (const [key, value] of Object.entries(row)) if (typeof value === "number") found[key] = value;
      if (remote) Object.assign(found, remote);
      if (row.type === "codec") found.codecs = [...(found.codecs ?? []), row.mimeType];
    }
    return found;
  };
  const hangUp = () => { for (const peer of peers.values()) peer.close(); peers.clear(); };
  return { publish, listen, counts, hangUp };
})();
