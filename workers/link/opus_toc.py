"""How long an Opus packet lasts, and how many channels it has, as its table-of-contents byte says (RFC 6716 §3.1 and §3.2).

Pure functions on bytes: nothing is decoded, and what comes after the frame count is not looked at.
"""

LONGEST_PACKET = 5760  # 120 ms (§3.2.5)


def _frame_samples(config: int) -> int:
    """config: 0..31, the upper five bits of the TOC byte."""
    if config < 12:
        return (480, 960, 1920, 2880)[config & 3]  # SILK
    if config < 16:
        return (480, 960)[config & 1]  # hybrid
    return (120, 240, 480, 960)[config & 3]  # CELT


_FRAME_SAMPLES = tuple(_frame_samples(toc >> 3) for toc in range(256))


def opus_samples(payload: bytes) -> int:
    """The duration of a packet in samples at 48 kHz, 120..5760; 0 for a malformed one.

    Malformed (§3.4): empty; of code 3 without a frame count, or with one of 0; longer than 120 ms.
    """
    if not payload:
        return 0
    toc = payload[0]
    code = toc & 3
    if code == 3:
        frames = payload[1] & 0x3F if len(payload) > 1 else 0
    else:
        frames = (1, 2, 2)[code]
    samples = _FRAME_SAMPLES[toc] * frames
    return samples if samples <= LONGEST_PACKET else 0


def opus_is_stereo(payload: bytes) -> bool:
    """Whether the packet has two channels. payload: not empty."""
    return bool(payload[0] & 4)
