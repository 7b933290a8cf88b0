"""TLS by `http.tls`: the context to serve with, and the self-signed certificate, which is made once and stored.

With "acme" the self-signed one is served until there is one of the authority, which `web/acme/` stores.

Everything here blocks (disk, key generation): call it before the loop runs, or on a thread.
"""

import ipaddress
import os
import re
import secrets
import socket
import ssl
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sfu.config.errors import ConfigError
from sfu.config.schema import HttpConfig
from web.http.addresses import is_loopback, is_wildcard, served_at
from web.http.sites import ascii_name

LIFE = timedelta(days=820)  # Apple's devices refuse more than 825 days, even for a certificate that was trusted by hand
RENEW = timedelta(days=30)
HOST_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*")  # names that a certificate can hold


class Tls(ssl.SSLContext):
    """A TLS context. vouched_for: whether an authority has signed the certificate; browsers accept it then. good_until: when the
    certificate expires, as a Unix time; None where only OpenSSL can read it.
    """

    vouched_for = False
    good_until: float | None = None


def tls_in_force(http: HttpConfig) -> str:
    """The kind of TLS: "off", "self-signed", "files" or "acme". "auto" is resolved by `http.host`."""
    if http.tls == "auto":
        return "off" if is_loopback(http.host) else "self-signed"
    return http.tls


def tls_context(http: HttpConfig, storage: Path) -> Tls | None:
    """The context to serve with; None for plain HTTP. Raises ConfigError where the files are missing or do not match."""
    kind = tls_in_force(http)
    if kind == "off":
        return None
    context = Tls(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    if kind == "acme" and (file := certificate_file(http, storage)) == issued_file(storage):
        context.load_cert_chain(file)
        context.good_until = _end_of(file)
        context.vouched_for = context.good_until is not None and context.good_until > time.time()
        return context
    if kind in ("self-signed", "acme"):
        file = kept_certificate(self_signed_file(storage), _names_asked_for(http), _names_of_machine(http))
        context.load_cert_chain(file)
        context.good_until = _end_of(file)
        return context
    assert http.cert is not None and http.key is not None, "sfu.config.checks has checked it"
    try:
        context.load_cert_chain(http.cert, http.key, password=_no_password)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise ConfigError(f"http.cert, http.key: {http.cert} and {http.key} cannot be used: {error}") from error
    context.vouched_for, context.good_until = _is_of_an_authority(http.cert), _end_of(http.cert)
    return context


def _is_of_an_authority(file: Path) -> bool:
    """Whether issuer and subject differ; False for a certificate that only OpenSSL can read."""
    try:
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
    except (OSError, ValueError):
        return False
    return certificate.issuer != certificate.subject


def _end_of(file: Path) -> float | None:
    try:
        return x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError):
        return None


def certificate_file(http: HttpConfig, storage: Path) -> Path:
    """The file of the certificate that is served. Call it only where TLS is on."""
    kind = tls_in_force(http)
    if kind == "files" and http.cert is not None:
        return http.cert
    issued = kind == "acme" and certificate_served(http, storage) is not None
    return issued_file(storage) if issued else self_signed_file(storage)


def certificate_served(http: HttpConfig, storage: Path) -> x509.Certificate | None:
    """The stored certificate of `http.tls = "acme"` where it is served: it is for all names, or it is in date and for one of them.

    One for some of the names is better than none: browsers that know a name by HSTS take no self-signed certificate for it.
    """
    file, names = issued_file(storage), certified_names(http)
    if (found := certificate_for(file, names)) is not None:
        return found
    found = next((one for name in names if (one := certificate_for(file, [name])) is not None), None)
    now = datetime.now(UTC)
    return found if found is not None and found.not_valid_before_utc <= now < found.not_valid_after_utc else None


def names_without(certificate: x509.Certificate, http: HttpConfig) -> list[str]:
    """Those of `certified_names` that the certificate is not for."""
    return [name for name in certified_names(http) if name not in _names_in(certificate)]


def certificate_end(http: HttpConfig, storage: Path) -> float | None:
    """When the stored certificate that is served ends, as Unix time; None without one, and for one that only OpenSSL can read."""
    return None if tls_in_force(http) == "off" else _end_of(certificate_file(http, storage))


def issued_file(storage: Path) -> Path:
    """Where the certificate of `http.tls = "acme"` lies with its key and its chain, once there is one."""
    return storage / "keys" / "acme" / "certificate.pem"


def self_signed_file(storage: Path) -> Path:
    return storage / "keys" / "self-signed.pem"


def certified_names(http: HttpConfig) -> tuple[str, ...]:
    """The names that the certificate of `http.tls = "acme"` is for, in ASCII and lower case."""
    return tuple(dict.fromkeys(ascii_name(name) for name in http.names or (urlsplit(http.public_url).hostname or "",)))


def state_of(http: HttpConfig, storage: Path) -> object:
    """A value that changes when the certificate must be loaded again: a file has changed, or the certificate must be renewed."""
    if tls_in_force(http) == "files":
        return [_stamp(file) for file in (http.cert, http.key)]
    file = certificate_file(http, storage)
    if file == issued_file(storage):
        return [_stamp(file)]
    return [_stamp(file), _still_good(file, _names_asked_for(http))]


def _stamp(file: Path | None) -> tuple[int, ...] | None:
    """What differs between two versions of a file, links followed; None where there is no file."""
    try:
        found = os.stat(file) if file is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def kept_certificate(file: Path, asked_for: Iterable[str], more: Iterable[str] = ()) -> Path:
    """A PEM file of key and certificate, mode 0600. It is replaced when a name in `asked_for` is missing or it expires within RENEW.

    more: names that a new certificate has too. A missing one is no reason to replace it, for browsers remember their exception by
    certificate.
    """
    wanted = {_written(name) for name in asked_for}
    if not _still_good(file, wanted):
        write_private(file, _signed_by_itself(sorted(wanted | {_written(name) for name in more})))
    return file


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def _names_asked_for(http: HttpConfig) -> set[str]:
    public = urlsplit(http.public_url).hostname
    names = ({public} if public else set()) | set(http.names) | (set() if is_wildcard(http.host) else {http.host})
    return {_written(name) for name in names}


def _names_of_machine(http: HttpConfig) -> set[str]:
    host = socket.gethostname()
    names = {"localhost", host, f"{host}.local"} if HOST_NAME.fullmatch(host) else {"localhost"}
    return names | {"127.0.0.1", "::1", *served_at("::" if is_wildcard(http.host) else http.host)}


def _still_good(file: Path, wanted: set[str]) -> bool:
    certificate = certificate_for(file, wanted)
    return certificate is not None and certificate.not_valid_after_utc > datetime.now(UTC) + RENEW


def certificate_for(file: Path, wanted: Iterable[str]) -> x509.Certificate | None:
    """The certificate in a PEM file of key and chain; None where there is none with all these names that fits the key."""
    try:
        pem = file.read_bytes()
        certificate = x509.load_pem_x509_certificate(pem)
        key = serialization.load_pem_private_key(pem, password=None)
        here = _names_in(certificate)
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return None
    fits = certificate.public_key() == key.public_key()
    return certificate if fits and set(wanted) <= here else None


def _names_in(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def _signed_by_itself(names: list[str]) -> bytes:
    extensions = [
        (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
    ]
    return self_signed(LIFE, extensions)


def self_signed(life: timedelta, extensions: Iterable[tuple[x509.ExtensionType, bool]]) -> bytes:
    """PEM of a fresh key and of its certificate with these extensions. The bool: whether the extension is critical."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hushcast")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + life)  # the first for clients whose clocks are slow
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    no_password = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)
    return private + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _general_name(name: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(name.partition("%")[0]))
    except ValueError:
        return x509.DNSName(ascii_name(name))


def _written(name: str) -> str:
    """A name in the spelling in which it is read from a certificate."""
    return str(_general_name(name).value)


def write_private(file: Path, content: bytes) -> None:
    """Write the file atomically; at no time can others read it."""
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
