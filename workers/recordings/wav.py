"""The header of a WAV file of known length: 16-bit PCM at 48 kHz. Beyond 4 GiB it is RF64 (EBU Tech 3306)."""

import struct

HEARD = "heard.wav"  # in the folder of a recording: what `auto` listeners heard
RATE_HZ = 48_000
_LARGEST = 0xFFFFFFFF


def header(samples: int, channels: int = 1) -> bytes:
    """The bytes before the samples: 44, or 80 where the sizes do not fit into 32 bits (12 hours of mono)."""
    frame = 2 * channels
    sound = samples * frame
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, channels, RATE_HZ, RATE_HZ * frame, frame, 16)
    if 36 + sound <= _LARGEST:
        return b"RIFF" + struct.pack("<I", 36 + sound) + b"WAVE" + form + b"data" + struct.pack("<I", sound)
    sizes = b"ds64" + struct.pack("<IQQQI", 28, 72 + sound, sound, samples, 0)
    return b"RF64" + struct.pack("<I", _LARGEST) + b"WAVE" + sizes + form + b"data" + struct.pack("<I", _LARGEST)


def size(samples: int, channels: int = 1) -> int:
    """Bytes of the whole file."""
    return len(header(samples, channels)) + samples * channels * 2
