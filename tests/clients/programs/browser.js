// What a page does as a broadcaster or as a listener, with nothing of ours: `phone(mode, url, token, seconds, policy)`.
// Returns {location, candidate, levels}: levels are root mean squares in dBFS of what was said or heard, ten a second.
async (mode, url, token, seconds, policy = {}) => {
    const pause = ms => new Promise(then => setTimeout(then, ms));
    const pc = new RTCPeerConnection({iceServers: []});
    const context = new AudioContext();
    const listenTo = stream => {
        const analyser = new AnalyserNode(context, {fftSize: 2048});
        context.createMediaStreamSource(stream).connect(analyser);
        return analyser;
    };
    let analyser;
    if (mode === 'publish') {
        const wish = {noiseSuppression: false, autoGainControl: false, echoCancellation: false};
        const stream = await navigator.mediaDevices.getUserMedia({audio: wish});
        pc.addTrack(stream.getAudioTracks()[0], stream);
        analyser = listenTo(stream);
    } else {
        pc.addTransceiver('audio', {direction: 'recvonly'});
        pc.ontrack = ({track}) => {
            const stream = new MediaStream([track]);
            window.ear = new Audio();
            window.ear.srcObject = stream;
            window.ear.play().catch(() => {});
            analyser = listenTo(stream);
        };
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
    const levels = [];
    for (let at = 0; at < seconds * 10; at += 1) {
        await pause(100);
        const samples = new Float32Array(analyser.fftSize);
        analyser.getFloatTimeDomainData(samples);
        levels.push(10 * Math.log10(samples.reduce((sum, each) => sum + each * each, 1e-12) / samples.length));
    }
    const stats = [...(await pc.getStats()).values()];
    const pair = stats.find(each => each.type === 'candidate-pair' && each.nominated && each.state === 'succeeded');
    const candidate = stats.find(each => each.id === pair?.remoteCandidateId);
    const inbound = stats.find(each => each.type === 'inbound-rtp');
    if (!policy.stay) {
        await fetch(location, {method: 'DELETE', headers});
        pc.close();
        await context.close();
    } else {
        window.pc = pc;
    }
    return {location, levels, protocol: candidate?.protocol ?? null, received: inbound?.packetsReceived ?? 0};
}
