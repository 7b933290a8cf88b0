// werift's RTCPeerConnection in node: `publish|listen URL TOKEN SECONDS NODE_MODULES`.
// Publishing, it reads Opus packets (base64, one a line) from stdin and sends one every 20 ms; listening, it says what came
// in as a JSON array of base64.
import {createRequire} from 'node:module';
import {createInterface} from 'node:readline';

const [mode, url, token, seconds, modules] = process.argv.slice(2);
const {MediaStreamTrack, RTCPeerConnection, RtpHeader, RtpPacket, RTCRtpCodecParameters} = createRequire(`${modules}/`)('werift');
const pause = ms => new Promise(then => setTimeout(then, ms));
const opus = new RTCRtpCodecParameters({mimeType: 'audio/opus', clockRate: 48000, channels: 2, payloadType: 96});
const pc = new RTCPeerConnection({iceServers: [], codecs: {audio: [opus]}, iceUseIpv6: false, iceAdditionalHostAddresses: ['127.0.0.1']});

const heard = [];
const track = new MediaStreamTrack({kind: 'audio'});
if (mode === 'publish') {
    pc.addTransceiver(track, {direction: 'sendonly'});
} else {
    pc.addTransceiver('audio', {direction: 'recvonly'});
    pc.onTrack.subscribe(remote => remote.onReceiveRtp.subscribe(packet => heard.push([packet.header.timestamp, packet.payload])));
}
await pc.setLocalDescription(await pc.createOffer());
const headers = {'Content-Type': 'application/sdp', Authorization: `Bearer ${token}`};
const response = await fetch(url, {method: 'POST', headers, body: pc.localDescription.sdp});
if (response.status !== 201) throw new Error(await response.text());
const location = new URL(response.headers.get('Location'), url);
await pc.setRemoteDescription({type: 'answer', sdp: await response.text()});
for (let waited = 0; pc.connectionState !== 'connected'; waited += 20) {
    if (waited > 10000) throw new Error(pc.connectionState);
    await pause(20);
}
if (mode === 'publish') {
    const start = Date.now();
    let at = 0;
    for await (const line of createInterface({input: process.stdin})) {
        await pause(Math.max(0, start + at * 20 - Date.now()));
        const header = new RtpHeader({sequenceNumber: at & 0xffff, timestamp: at * 960, payloadType: 96, marker: at === 0});
        track.writeRtp(new RtpPacket(header, Buffer.from(line, 'base64')));
        at += 1;
    }
} else {
    await pause(seconds * 1000);
    heard.sort((one, other) => one[0] - other[0]);
    console.log(JSON.stringify(heard.map(([, payload]) => payload.toString('base64'))));
}
await fetch(location, {method: 'DELETE', headers});
await pc.close();
process.exit(0);
