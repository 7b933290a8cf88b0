// Runs inside a page of the running server: one browser process that speaks, hears it back in both variants, and calls
// itself directly beside it. All four sounds run into one AudioContext, so that their delays can be read off to the sample.
async (ask) => {
  const constraints = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  const microphone = await navigator.mediaDevices.getUserMedia({ audio: constraints });
  const context = new AudioContext({ sampleRate: 48000, latencyHint: "interactive" });
  const tap = `registerProcessor("tap", class extends AudioWorkletProcessor {
    constructor() { super(); this.blocks = []; }
    process(inputs) {
      const block = new Float32Array(128 * inputs.length);
      inputs.forEach((input, at) => { if (input.length) block.set(input[0], 128 * at); });
      this.blocks.push(block);
      if (this.blocks.length === 375) { this.port.postMessage(this.blocks); this.blocks = []; }
      return true;
    }
  })`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([tap], { type: "text/javascript" })));
  const recorder = new AudioWorkletNode(context, "tap", { numberOfInputs: 4, numberOfOutputs: 1 });
  const seconds = [];
  recorder.port.onmessage = (event) => seconds.push(...event.data);
  recorder.connect(context.destination);
  await context.resume();

  const plug = (stream, input) => {
    const speaker = new Audio();
    speaker.srcObject = stream;
    speaker.muted = true;
    speaker.play();
    context.createMediaStreamSource(stream).connect(recorder, 0, input);
  };
  const negotiate = async (url, peer) => {
    await peer.setLocalDescription(await peer.createOffer());
    const sdp = peer.localDescription.sdp;
    const answer = await fetch(url, { method: "POST", headers: { "Content-Type": "application/sdp" }, body: sdp });
    if (answer.status !== 201) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
    await peer.setRemoteDescription({ type: "answer", sdp: await answer.text() });
  };
  const heard = (peer, input) => new Promise((resolve) => {
    peer.ontrack = (event) => {
      if ("jitterBufferTarget" in event.receiver) event.receiver.jitterBufferTarget = 0;
      plug(new MediaStream([event.track]), input);
      resolve(event.receiver);
    };
  });
  const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  plug(microphone, 0);
  const publisher = new RTCPeerConnection();
  publisher.addTrack(microphone.getAudioTracks()[0], microphone);
  await negotiate(`/whip/${ask.name}?denoise=1&record=0&denoiser=${ask.denoiser}`, publisher);
  for (let active = false; !active; await wait(20)) {
    const status = await (await fetch(`/api/stream/status/${ask.name}`)).json();
    active = status.denoise.state === "active" && status.denoise.denoiser === ask.denoiser;
  }
  const receivers = [];
  for (const [variant, input] of [["auto", 1], ["original", 2]]) {
    const peer = new RTCPeerConnection();
    peer.addTransceiver("audio", { direction: "recvonly" });
    const track = heard(peer, input);
    await negotiate(`/whep/${ask.name}?variant=${variant}`, peer);
    receivers.push(await track);
  }
  const [caller, called] = [new RTCPeerConnection(), new RTCPeerConnection()];
  caller.onicecandidate = (event) => event.candidate && called.addIceCandidate(event.candidate);
  called.onicecandidate = (event) => event.candidate && caller.addIceCandidate(event.candidate);
  const direct = heard(called, 3);
  caller.addTrack(microphone.getAudioTracks()[0], microphone);
  await caller.setLocalDescription(await caller.createOffer());
  await called.setRemoteDescription(caller.localDescription);
  await called.setLocalDescription(await called.createAnswer());
  await caller.setRemoteDescription(called.localDescription);
  receivers.push(await direct);

  const counts = () => Promise.all(receivers.map(async (receiver) => {
    for (const report of (await receiver.getStats()).values()) if (report.type === "inbound-rtp") return report;
  }));
  await wait(2000); // what connecting cost is over: neither the sound nor the counters of these seconds are used
  const early = await counts();
  await wait(ask.seconds * 1000);
  const buffers = (await counts()).map((late, at) => {
    const grown = (key) => late[key] - early[at][key];
    return {
      jitterBufferMs: 1000 * grown("jitterBufferDelay") / grown("jitterBufferEmittedCount"),
      concealed: grown("concealedSamples"), total: grown("totalSamplesReceived"),
    };
  });
  const status = await (await fetch(`/api/stream/status/${ask.name}`)).json();
  await fetch("/api/stream/stop", { method: "POST", body: "{}" });
  [publisher, caller, called].forEach((peer) => peer.close());
  const all = new Float32Array(seconds.length * 512);
  seconds.forEach((block, at) => all.set(block, at * 512));
  const bytes = new Uint8Array(all.buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return { sound: btoa(text), buffers, status };
}
