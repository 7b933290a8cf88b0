// libdatachannel, the library in OBS's WHIP output, in node: `publish|insist|listen URL TOKEN SECONDS NODE_MODULES`.
// Publishing, it offers what OBS offers, sound and then video, without candidates, and sends Opus packets (base64, one a line)
// from stdin, one every 20 ms, and video if it may; `insist` sends the video though it was refused, as the library's versions
// of some OBS do. Listening, it says what came in as a JSON array of base64.
import {createRequire} from 'node:module';
import {createInterface} from 'node:readline';

const [mode, url, token, seconds, modules] = process.argv.slice(2);
const rtc = createRequire(`${modules}/`)('node-datachannel');
const pause = ms => new Promise(then => setTimeout(then, ms));
const ssrc = 1 + Math.floor(Math.random() * 0xfffffff0);
const FRAME = Buffer.concat([Buffer.from([0, 0, 0, 1, 0x65]), Buffer.alloc(6000, 7)]); // 1.2 Mbit/s at 25 pictures a second
const VIDEO = ['a=recvonly', 'a=mid:1', 'a=rtcp-mux', 'a=rtpmap:96 H264/90000', ''].join('\r\n');
const pc = new rtc.PeerConnection('encoder', {iceServers: []});

function outgoing(description, config, packetizer, remembered) {
    description.addSSRC(config.ssrc, 'cname', 'stream', `stream-${config.mid}`);
    const track = pc.addTrack(description), time = new rtc.RtpPacketizationConfig(config.ssrc, 'cname', config.type, config.clock);
    const chain = packetizer(time);
    chain.addToChain(new rtc.RtcpSrReporter(time));
    chain.addToChain(new rtc.RtcpNackResponder(remembered));
    track.setMediaHandler(chain);
    return (step, data) => {
        time.timestamp = (time.timestamp + step) >>> 0;
        return track.isOpen() && track.sendMessageBinary(data);
    };
}

function sound() {
    const description = new rtc.Audio('0', mode === 'listen' ? 'RecvOnly' : 'SendOnly');
    description.addOpusCodec(111);
    return description;
}

function video() {
    const description = new rtc.Video('1', 'SendOnly');
    description.addH264Codec(96);
    return description;
}

const heard = [];
let say, show;
if (mode === 'listen') {
    const session = new rtc.RtcpReceivingSession(), track = pc.addTrack(sound());
    track.setMediaHandler(session);
    track.onMessage(packet => heard.push([packet.readUInt32BE(4), packet.subarray(12 + 4 * (packet[0] & 15))]));
} else {
    say = outgoing(sound(), {ssrc, mid: 0, type: 111, clock: 48000}, time => new rtc.RtpPacketizer(time), 512);
    show = outgoing(video(), {ssrc: ssrc + 1, mid: 1, type: 96, clock: 90000}, time => new rtc.H264RtpPacketizer('StartSequence', time, 1200), 4000);
}
const offer = await new Promise(then => {
    pc.onLocalDescription(then); // before there are candidates, as OBS asks for it
    pc.setLocalDescription();
});
const headers = {'Content-Type': 'application/sdp', Authorization: `Bearer ${token}`};
const response = await fetch(url, {method: 'POST', headers, body: offer});
let answer = await response.text();
if (response.status !== 201) throw new Error(answer);
const location = new URL(response.headers.get('Location'), url);
if (mode === 'insist') answer = answer.replace('m=video 0', 'm=video 9').replace('a=inactive\r\na=mid:1\r\n', VIDEO);
pc.setRemoteDescription(answer, 'answer');
for (let waited = 0; pc.state() !== 'connected'; waited += 20) {
    if (waited > 10000) throw new Error(pc.state());
    await pause(20);
}
if (mode === 'listen') {
    await pause(seconds * 1000);
    heard.sort((one, other) => one[0] - other[0]);
    console.log(JSON.stringify(heard.map(([, payload]) => payload.toString('base64'))));
} else {
    const start = Date.now();
    let at = 0, shown = 0;
    for await (const line of createInterface({input: process.stdin})) {
        await pause(Math.max(0, start + at * 20 - Date.now()));
        say(960, Buffer.from(line, 'base64'));
        if (at % 2 === 0 && show(3600, FRAME)) shown += 1;
        at += 1;
    }
    console.log(JSON.stringify(shown));
}
pc.close(); // OBS closes first, and then says so
const gone = await fetch(location, {method: 'DELETE', headers});
process.exit(gone.status === 200 ? 0 : 1);
