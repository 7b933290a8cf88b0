"""libopus by ctypes: encode, decode, forward error correction, concealment. Mono float32 at 48 kHz on our side.

The library is the one inside PyAV's wheel (found beside the package, which is not imported), else the system's.
"""

import ctypes
import ctypes.util
import importlib.util
import os
from functools import cache
from pathlib import Path

import numpy as np

from workers.denoiser import RATE_HZ, Sound
from workers.errors import OpusMissing
from workers.link.ring import MAX_PAYLOAD

PLACE = "HUSHCAST_LIBOPUS"  # the library's path, for a process without PyAV
MAX_SAMPLES = 5760  # the longest packet, 120 ms
DURATIONS = (120, 240, 480, 960, 1920, 2880, 3840, 4800, 5760)  # samples of the packets that the encoder makes
APPLICATIONS = {"voip": 2048, "audio": 2049, "lowdelay": 2051}

_SET_BITRATE, _SET_COMPLEXITY, _SET_FEC, _SET_LOSS = 4002, 4010, 4012, 4014
_SET_SIGNAL, _VOICE, _MUSIC = 4024, 3001, 3002
_GET_LOOKAHEAD, _RESET, _SET_PREDICTION_DISABLED = 4027, 4028, 4042


class OpusError(ValueError):
    """libopus refuses it: not a valid packet, or a value out of range."""


class Encoder:
    """One voice's encoder. Owns the libopus state until close().

    `lookahead`: samples by which decoded sound trails the encoder's input.
    Measured on a noisy voice that arrived at 96 kb/s and was denoised by DeepFilterNet3 (SI-SDR 17.7 dB, PESQ-wb 2.88): re-encoding
    at 48, 64, 80, 96 kb/s gives 13.1, 14.9, 15.9, 17.1 dB and 2.67, 2.79, 2.85, 2.87; with FEC (SILK) 8.2 dB and 2.89 at any rate.
    `voip` filters low frequencies: under 6 dB. Hence `audio`, the rate that broadcasters are asked for, and FEC only against loss.
    """

    def __init__(self, application: str = "audio", bitrate: int = 96_000, complexity: int = 10, loss_percent: int = 0) -> None:
        self._lib = library()
        failure = ctypes.c_int()
        self._state: int | None = self._lib.opus_encoder_create(RATE_HZ, 1, APPLICATIONS[application], ctypes.byref(failure))
        _checked(failure.value)
        self._packet = ctypes.create_string_buffer(MAX_PAYLOAD)
        self._sound = np.zeros(MAX_SAMPLES, dtype=np.float32)  # asking an array for its address takes longer than copying it here
        self._at = self._sound.ctypes.data
        self._independent = False
        self._set(_SET_BITRATE, bitrate)
        self._set(_SET_FEC, 1)
        self.loss_percent = loss_percent
        self.complexity = complexity
        lookahead = ctypes.c_int()
        _checked(self._lib.opus_encoder_ctl(self._state, _GET_LOOKAHEAD, ctypes.byref(lookahead)))
        self.lookahead = lookahead.value

    def encode(self, sound: Sound) -> bytes:
        """The packet of float32[n]; n is a multiple of 120, at most 5760. Raises OpusError for another n."""
        if len(sound) in DURATIONS:
            return self._encoded(sound)
        piece = next((size for size in (960, 480, 240, 120) if len(sound) % size == 0), 0)
        if not piece or len(sound) > MAX_SAMPLES:
            raise OpusError(f"no packet can hold {len(sound)} samples")
        return joined([self._encoded(sound[at : at + piece]) for at in range(0, len(sound), piece)])

    def _encoded(self, sound: Sound) -> bytes:
        samples = len(sound)
        self._sound[:samples] = sound
        length = _checked(self._lib.opus_encode_float(self._state, self._at, samples, self._packet, MAX_PAYLOAD))
        return ctypes.string_at(self._packet, length)

    def independent(self, on: bool) -> None:
        """Encode the next packets without inter-frame prediction, for decoders that start there."""
        if on != self._independent:
            self._set(_SET_PREDICTION_DISABLED, int(on))
            self._independent = on

    def reset(self) -> None:
        """Forget the sound; the settings stay."""
        _checked(self._lib.opus_encoder_ctl(self._state, _RESET))

    @property
    def complexity(self) -> int:
        """0 (cheap) to 10 (good)."""
        return self._complexity

    @complexity.setter
    def complexity(self, value: int) -> None:
        self._set(_SET_COMPLEXITY, value)
        self._complexity = value

    @property
    def loss_percent(self) -> int:
        """What the listeners lose, 0 to 100. Above 0 packets carry FEC, for which libopus leaves CELT for SILK (220 µs, not 80)."""
        return self._loss_percent

    @loss_percent.setter
    def loss_percent(self, value: int) -> None:
        self._set(_SET_LOSS, value)
        self._set(_SET_SIGNAL, _VOICE if value else _MUSIC)  # a hint for the choice between CELT and SILK
        self._loss_percent = value

    def _set(self, request: int, value: int) -> None:
        _checked(self._lib.opus_encoder_ctl(self._state, request, ctypes.c_int(value)))

    def close(self) -> None:
        if self._state:
            self._lib.opus_encoder_destroy(self._state)
            self._state = None


class Decoder:
    """One voice's decoder; stereo packets are folded to mono by libopus. Owns the libopus state until close()."""

    def __init__(self) -> None:
        self._lib = library()
        failure = ctypes.c_int()
        self._state: int | None = self._lib.opus_decoder_create(RATE_HZ, 1, ctypes.byref(failure))
        _checked(failure.value)
        self._sound = np.zeros(MAX_SAMPLES, dtype=np.float32)
        self._at = self._sound.ctypes.data

    def decode(self, payload: bytes) -> Sound:
        """float32[n], the sound of one packet. Raises OpusError where it is none."""
        if not payload:
            raise OpusError("an empty packet")
        return self._decoded(payload, MAX_SAMPLES, 0)

    def repair(self, payload: bytes, samples: int) -> Sound:
        """float32[samples], the sound before this packet, from its FEC where it has some, else concealed."""
        return self._decoded(payload, samples, 1)

    def conceal(self, samples: int) -> Sound:
        """float32[samples] made up from what came before; `samples` is a multiple of 120."""
        return self._decoded(None, samples, 0)

    def _decoded(self, payload: bytes | None, samples: int, fec: int) -> Sound:
        length = len(payload) if payload else 0
        count = _checked(self._lib.opus_decode_float(self._state, payload, length, self._at, samples, fec))
        return self._sound[:count].copy()

    def reset(self) -> None:
        """Forget the sound."""
        _checked(self._lib.opus_decoder_ctl(self._state, _RESET))

    def close(self) -> None:
        if self._state:
            self._lib.opus_decoder_destroy(self._state)
            self._state = None


def joined(packets: list[bytes]) -> bytes:
    """One packet with the frames of several. Raises OpusError where their modes differ or they are too long together."""
    lib, out = library(), ctypes.create_string_buffer(MAX_PAYLOAD)
    state = lib.opus_repacketizer_create()
    try:
        for packet in packets:  # libopus keeps pointers into them
            _checked(lib.opus_repacketizer_cat(state, packet, len(packet)))
        return ctypes.string_at(out, _checked(lib.opus_repacketizer_out(state, out, MAX_PAYLOAD)))
    finally:
        lib.opus_repacketizer_destroy(state)


def has_fec(payload: bytes) -> bool:
    """Whether the packet carries FEC for its predecessor (guessed from the mode with a libopus before 1.5)."""
    known = getattr(library(), "opus_packet_has_lbrr", None)
    if known is None:
        return bool(payload) and payload[0] >> 3 < 16
    return int(known(payload, len(payload))) == 1


def told() -> dict[str, str]:
    """Environment variables with the path of this process's libopus, for a child in another Python, perhaps without PyAV."""
    places = _places()
    return {PLACE: places[0]} if places else {}


@cache
def library() -> ctypes.CDLL:
    """libopus with its signatures. Raises NoOpus."""
    for place in _places():
        try:
            return _with_signatures(ctypes.CDLL(place))
        except (OSError, AttributeError):
            continue
    raise OpusMissing("libopus was found neither beside PyAV nor on the system (Debian: apt install libopus0)")


def _places() -> list[str]:
    package = importlib.util.find_spec("av")
    beside = [Path(place).parent / "av.libs" for place in (package.submodule_search_locations or [])] if package else []
    bundled = [str(found) for folder in beside for found in sorted(folder.glob("libopus-*"))]
    known = [os.environ[PLACE]] if os.environ.get(PLACE) else []
    system = ctypes.util.find_library("opus") if not known + bundled else None
    return known + bundled + ([system] if system else [])


def _with_signatures(lib: ctypes.CDLL) -> ctypes.CDLL:
    whole, state, address, text = ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p
    lib.opus_encoder_create.argtypes = [whole, whole, whole, ctypes.POINTER(whole)]
    lib.opus_encoder_create.restype = state
    lib.opus_encode_float.argtypes = [state, address, whole, ctypes.c_char_p, whole]
    lib.opus_encoder_ctl.argtypes = lib.opus_decoder_ctl.argtypes = [state, whole]  # and one more by request
    lib.opus_encoder_destroy.argtypes = lib.opus_decoder_destroy.argtypes = [state]
    lib.opus_encoder_destroy.restype = lib.opus_decoder_destroy.restype = None
    lib.opus_decoder_create.argtypes = [whole, whole, ctypes.POINTER(whole)]
    lib.opus_decoder_create.restype = state
    lib.opus_decode_float.argtypes = [state, text, whole, address, whole, whole]
    lib.opus_repacketizer_create.argtypes, lib.opus_repacketizer_create.restype = [], state
    lib.opus_repacketizer_cat.argtypes = lib.opus_repacketizer_out.argtypes = [state, text, whole]
    lib.opus_repacketizer_destroy.argtypes, lib.opus_repacketizer_destroy.restype = [state], None
    lib.opus_strerror.argtypes, lib.opus_strerror.restype = [whole], ctypes.c_char_p
    return lib


def _checked(code: int) -> int:
    """The result of a call if it is none of libopus's (negative) errors."""
    if code < 0:
        raise OpusError(library().opus_strerror(code).decode())
    return code
