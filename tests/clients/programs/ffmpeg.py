"""FFmpeg's own WHIP muxer, out of PyAV's wheel: `URL TOKEN SECONDS` publishes a stereo tone at its pace."""

import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.clients.stage import tone

FRAME = 960


def certificate(folder: Path) -> dict[str, str]:
    """Options that give the muxer a P-256 certificate: its own choice is secp224r1, which OpenSSL refuses."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "encoder")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    (folder / "cert.pem").write_bytes(made)
    (folder / "key.pem").write_bytes(secret)
    return {"cert_file": str(folder / "cert.pem"), "key_file": str(folder / "key.pem")}


def main(url: str, token: str, seconds: float) -> None:
    sound = tone(seconds)
    with tempfile.TemporaryDirectory() as folder:
        with av.open(url, "w", format="whip", options={"authorization": token, **certificate(Path(folder))}) as out:
            stream = out.add_stream("libopus", rate=48_000)
            stream.codec_context.layout = "stereo"
            stream.codec_context.format = "flt"
            stream.codec_context.bit_rate = 96_000
            start = time.monotonic()
            for at in range(0, len(sound) - FRAME + 1, FRAME):
                both = np.repeat(sound[at : at + FRAME], 2)[None]
                frame = av.AudioFrame.from_ndarray(both, "flt", "stereo")
                frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
                for packet in stream.encode(frame):
                    out.mux(packet)
                time.sleep(max(0.0, start + at / 48_000 - time.monotonic()))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
