"""TLS as `http.tls` wants it: which kind is in force, and the self-signed certificate, made once and kept.

Everything here blocks (disk, key generation): it is for the time before the loop turns, or for a thread.
"""

import ipaddress
import os
import re
import secrets
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sfu.config.schema import HttpConfig
from sfu.errors import ConfigError
from web.http.addresses import is_loopback, is_wildcard, served_at
from web.http.sites import ascii_name

LIFE = timedelta(days=820)  # Apple's devices refuse more than 825 days, even where the operator trusts it by hand
RENEW = timedelta(days=30)
HOST_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")  # what fits a certificate


class Tls(ssl.SSLContext):
    """What connections are served with. vouched_for: the certificate is not signed by itself, so that browsers may insist on it."""

    vouched_for = False


def tls_in_force(http: HttpConfig) -> str:
    """ "off", "self-signed" or "files": what "auto" comes to on this host."""
    if http.tls == "auto":
        return "off" if is_loopback(http.host) else "self-signed"
    return http.tls


def tls_context(http: HttpConfig, storage: Path) -> Tls | None:
    """What to serve with; None is plain HTTP. Raises ConfigError where the files are not there or do not fit."""
    kind = tls_in_force(http)
    if kind == "off":
        return None
    context = Tls(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    if kind == "self-signed":
        context.load_cert_chain(kept_certificate(certificate_file(http, storage), _names_asked_for(http), _names_of_machine(http)))
        return context
    assert http.cert is not None and http.key is not None, "sfu.config.checks lets nothing else pass"
    try:
        context.load_cert_chain(http.cert, http.key, password=_no_password)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise ConfigError(f"http.cert, http.key: {http.cert} and {http.key} cannot be used: {error}") from error
    context.vouched_for = _is_of_an_authority(http.cert)
    return context


def _is_of_an_authority(file: Path) -> bool:
    """False also for one that OpenSSL takes and we cannot read."""
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return False
    return certificate.issuer != certificate.subject


def certificate_file(http: HttpConfig, storage: Path) -> Path:
    """Where the certificate lies that is served; with TLS in force only."""
    return http.cert if tls_in_force(http) == "files" and http.cert is not None else storage / "keys" / "self-signed.pem"


def state_of(http: HttpConfig, storage: Path) -> object:
    """Compares unequal once what is served has to be read again: a file is another one, wherever links lead, or its time has come."""
    if tls_in_force(http) == "files":
        return [_stamp(file) for file in (http.cert, http.key)]
    file = certificate_file(http, storage)
    return [_stamp(file), _still_good(file, _names_asked_for(http))]


def _stamp(file: Path | None) -> tuple[int, ...] | None:
    """What tells one content of a file from the next; None where there is none."""
    try:
        found = os.stat(file) if file is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def kept_certificate(file: Path, asked_for: Iterable[str], more: Iterable[str] = ()) -> Path:
    """A PEM file of key and certificate, mode 0600, for all these names; made anew only if it has to be.

    Browsers remember the exception for one certificate, so an address that the machine gained since is no reason to change it:
    only names in `asked_for` are, and the end of its life.
    """
    wanted = {_written(name) for name in asked_for}
    if not _still_good(file, wanted):
        _write_private(file, _signed_by_itself(sorted(wanted | {_written(name) for name in more})))
    return file


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _names_asked_for(http: HttpConfig) -> set[str]:
    public = urlsplit(http.public_url).hostname
    names = ({public} if public else set()) | (set() if is_wildcard(http.host) else {http.host})
    return {_written(name) for name in names}


def _names_of_machine(http: HttpConfig) -> set[str]:
    host = socket.gethostname()
    names = {"localhost", host, f"{host}.local"} if HOST_NAME.fullmatch(host) else {"localhost"}
    return names | {"127.0.0.1", "::1", *served_at("::" if is_wildcard(http.host) else http.host)}


def _still_good(file: Path, wanted: set[str]) -> bool:
    try:
        pem = file.read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        key = serialization.load_pem_private_key(pem, password=None)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    here = set(names.get_values_for_type(x509.DNSName)) | {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    fits = certificate.public_key() == key.public_key()
    return fits and wanted <= here and certificate.not_valid_after_utc > datetime.now(UTC) + RENEW


def _signed_by_itself(names: list[str]) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hushcast")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # other people's clocks
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    no_password = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)
    return private + certificate.public_bytes(serialization.Encoding.PEM)


def _general_name(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.partition("%")[0]))
    except ValueError:
        return x509.DNSName(ascii_name(name))


def _written(name: str) -> str:
    """A name as it is read from a certificate again, so that one that is there is not missed for its spelling."""
    return str(_general_name(name).value)


def _write_private(file: Path, content: bytes) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
