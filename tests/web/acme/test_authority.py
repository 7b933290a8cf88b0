"""What is taken of an authority, and what is not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from web.acme.authority import end_of
from web.acme.refusal import NotIssued

KEY, AUTHORITY = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def given(*names: str, begins_days: float = 0, ends_days: float = 90, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    """A certificate as an authority gives it."""
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("a", "an authority"))
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key()).serial_number(4711)
    builder = builder.not_valid_before(now + timedelta(days=begins_days)).not_valid_after(now + timedelta(days=ends_days))
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(AUTHORITY.public_key()), critical=False)
    return builder.add_extension(alternatives, critical=False).sign(AUTHORITY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def stored(*names: str, begins_days: float, ends_days: float) -> bytes:
    """The same with its key, as it is stored."""
    form = serialization.PrivateFormat.PKCS8
    key = KEY.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return key + given(*names, begins_days=begins_days, ends_days=ends_days)


def test_a_good_one_is_taken() -> None:
    end = end_of(given("b.example", "a.example"), KEY.public_key(), ["a.example"])
    assert timedelta(days=89) < end - datetime.now(UTC) < timedelta(days=91)


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: given("b.example"), "is for b.example, not for a.example"),
        (lambda: given("a.example", key=AUTHORITY), "is for another key"),
        (lambda: given("a.example", begins_days=3), "this machine's clock says"),
        (lambda: given("a.example", begins_days=-9, ends_days=-1), "this machine's clock says"),
        (lambda: given("a.example", begins_days=-80, ends_days=10), "ends soon"),
        (lambda: b"rubbish", "is no certificate"),
        (lambda: b"", "is no certificate"),
    ],
)
def test_what_cannot_be_used_is_refused(made: Callable[[], bytes], why: str) -> None:
    with pytest.raises(NotIssued, match=why) as refused:
        end_of(made(), KEY.public_key(), ["a.example"])
    assert refused.value.refused, "it counts against the limits"


def test_a_line_is_a_line() -> None:
    """What an authority writes, which may be long, is told in one line."""
    assert str(NotIssued("a\nb  c" + "d" * 900, refused=True)) == "a b c" + "d" * 495
