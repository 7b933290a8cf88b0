// What a page does as a broadcaster or as a listener, with nothing of ours: `phone(mode, url, token, seconds, policy)`.
// Returns {location, sound, protocol}: `sound` is what the microphone gave or what was heard, recorded by the browser
// (base64 of a file), `protocol` what media went over. policy.transport: leave only such candidates in the answer.
async (mode, url, token, seconds, policy = {}) => {
    const pause = ms => new Promise(then => setTimeout(then, ms));
    const pc = new RTCPeerConnection({iceServers: []});
    let stream;
    if (mode === 'publish') {
        const wish = {noiseSuppression: false, autoGainControl: false, echoCancellation: false};
        stream = await navigator.mediaDevices.getUserMedia({audio: wish});
        pc.addTrack(stream.getAudioTracks()[0], stream);
    } else {
        stream = new MediaStream([pc.addTransceiver('audio', {direction: 'recvonly'}).receiver.track]);
        window.ear = new Audio();
        window.ear.srcObject = stream;
        window.ear.play().catch(() => {});
    }
    await pc.setLocalDescription(await pc.createOffer());
    const headers = {'Content-Type': 'application/sdp', Authorization: `Bearer ${token}`};
    const response = await fetch(url, {method: 'POST', headers, body: pc.localDescription.sdp});
    let answer = await response.text();
    if (response.status !== 201) throw new Error(`${response.status}: ${answer}`);
    const location = new URL(response.headers.get('Location'), url).href;
    const wanted = line => !line.startsWith('a=candidate') || line.split(' ')[2].toLowerCase() === policy.transport;
    if (policy.transport) answer = answer.split('\r\n').filter(wanted).join('\r\n');
    await pc.setRemoteDescription({type: 'answer', sdp: answer});
    for (let waited = 0; pc.connectionState !== 'connected'; waited += 50) {
        if (waited > 10000 || pc.connectionState === 'failed') throw new Error(`${pc.connectionState}\n${answer}`);
        await pause(50);
    }
    const recorder = new MediaRecorder(stream, {audioBitsPerSecond: 128000});
    const file = new Promise(then => { recorder.ondataavailable = ({data}) => then(data); });
    recorder.start();
    await pause(seconds * 1000);
    recorder.stop();
    const bytes = new Uint8Array(await (await file).arrayBuffer());
    const stats = [...(await pc.getStats()).values()];
    const pair = stats.find(each => each.type === 'candidate-pair' && each.nominated && each.state === 'succeeded');
    await fetch(location, {method: 'DELETE', headers});
    pc.close();
    return {
        location,
        sound: btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join('')),
        protocol: stats.find(each => each.id === pair?.remoteCandidateId)?.protocol ?? null,
    };
}
