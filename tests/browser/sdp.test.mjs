/** What is changed in, and read from, session descriptions. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { iceServers, mediaPort, restartFragment, withCredentials, withFormat, withPacketTime, withRepair } from "../../web/client/js/rtc/sdp.js";

const OFFER = ["v=0", "m=audio 9 UDP/TLS/RTP/SAVPF 111 63", "a=ice-ufrag:abcd", "a=ice-pwd:secretsecretsecretsecret", "a=mid:0", "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
  "a=rtpmap:111 opus/48000/2", "a=rtcp-fb:111 transport-cc", "a=fmtp:111 minptime=10;useinbandfec=1", "a=rtpmap:63 red/48000/2", ""].join("\r\n");
const ANSWER = ["v=0", "a=ice-lite", "m=audio 8081 UDP/TLS/RTP/SAVPF 111", "a=candidate:1 1 udp 2130706431 192.0.2.1 8081 typ host", "a=ice-ufrag:old", "a=ice-pwd:oldpassword", "a=rtpmap:111 opus/48000/2", ""].join("\r\n");

test("the offer asks for NACK, once, and keeps the audio level", () => {
  const better = withRepair(OFFER);
  assert.equal(better.match(/^a=rtcp-fb:111 nack\r$/gm)?.length, 1);
  assert.equal(withRepair(better), better);
  assert.match(better, /ssrc-audio-level/);
  assert.ok(better.split("\r\n").every((line) => !line.includes("\n")));
});

test("FEC is switched on where the offer left it out", () => {
  assert.match(withRepair(OFFER.replace(";useinbandfec=1", "")), /^a=fmtp:111 minptime=10;useinbandfec=1\r$/m);
  assert.match(withRepair(OFFER.replace(/a=fmtp.*\r\n/, "")), /^a=fmtp:111 useinbandfec=1\r$/m);
});

test("a description without Opus is left alone", () => {
  const other = OFFER.replace("opus", "pcmu");
  assert.equal(withRepair(other), other);
  assert.equal(withFormat(other, { stereo: "1" }), other);
});

test("the media port is the one of the answer's candidates", () => {
  assert.equal(mediaPort(ANSWER), 8081);
  assert.equal(mediaPort(OFFER), null);
});

test("an ICE restart is told in a fragment and its answer renews the known one", () => {
  assert.match(restartFragment(OFFER), /^a=ice-ufrag:abcd\r\na=ice-pwd:secret.*\r\nm=audio 9 .*\r\na=mid:0\r\n$/);
  const renewed = withCredentials(ANSWER, "a=ice-ufrag:new\r\na=ice-pwd:newpassword\r\n");
  assert.match(renewed, /^a=ice-ufrag:new\r$/m);
  assert.match(renewed, /^a=ice-pwd:newpassword\r$/m);
  assert.match(renewed, /192\.0\.2\.1/);
  const moved = withCredentials(ANSWER, "a=ice-ufrag:new\r\na=ice-pwd:newpassword\r\na=candidate:1 1 udp 1 198.51.100.7 8081 typ host\r\n");
  assert.match(moved, /198\.51\.100\.7/);
  assert.doesNotMatch(moved, /192\.0\.2\.1/);
});

test("TURN servers come out of the Link header with their credentials", () => {
  const header = '<turn:turn.example?transport=udp>; rel="ice-server"; username="u"; credential="p"; credential-type="password", <stun:stun.example>; rel="ice-server", </x>; rel="next"';
  assert.deepEqual(iceServers(header), [{ urls: "turn:turn.example?transport=udp", username: "u", credential: "p" }, { urls: "stun:stun.example" }]);
  assert.deepEqual(iceServers(null), []);
});

test("the answer asks for other packets, once, whatever it asked for before", () => {
  const brief = withPacketTime(ANSWER, 10);
  assert.match(brief, /^a=rtpmap:111 opus\/48000\/2\r\na=ptime:10\r$/m);
  assert.deepEqual(withPacketTime(brief, 20).match(/^a=ptime:.*$/gm), ["a=ptime:20"]);
  assert.equal(withPacketTime(withPacketTime(brief, 20), 10), brief);
  const other = OFFER.replace("opus", "pcmu");
  assert.equal(withPacketTime(other, 10), other);
});
