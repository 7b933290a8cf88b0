"""TLS as configured, and the certificate that is kept."""

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from sfu.config.schema import HttpConfig
from sfu.errors import ConfigError
from web.http.tls import certificate_file, kept_certificate, state_of, tls_context, tls_in_force


def names_of(file: Path) -> set[str]:
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(name.value) for name in names}


@pytest.mark.parametrize(
    ("host", "tls", "in_force"),
    [
        ("127.0.0.1", "auto", "off"),
        ("::1", "auto", "off"),
        ("localhost", "auto", "off"),
        ("0.0.0.0", "auto", "self-signed"),
        ("192.0.2.1", "auto", "self-signed"),
        ("voice.example.org", "auto", "self-signed"),
        ("127.0.0.1", "self-signed", "self-signed"),
        ("0.0.0.0", "off", "off"),
    ],
)
def test_auto_is_plain_on_loopback_only(host: str, tls: str, in_force: str) -> None:
    """Browsers give a microphone without HTTPS on loopback and nowhere else."""
    assert tls_in_force(HttpConfig(host=host, tls=tls)) == in_force


def test_the_certificate_is_kept(tmp_path: Path) -> None:
    """The same one serves after a restart, even when the machine has another address by then."""
    file = tmp_path / "keys" / "x.pem"
    first = kept_certificate(file, {"voice.example.org"}, {"127.0.0.1", "::1"}).read_bytes()
    assert kept_certificate(file, {"voice.example.org"}, {"10.0.0.7"}).read_bytes() == first
    assert names_of(file) == {"voice.example.org", "127.0.0.1", "::1"}


def test_nobody_else_reads_the_key(tmp_path: Path) -> None:
    """The file has mode 0600, its folder 0700."""
    file = kept_certificate(tmp_path / "keys" / "x.pem", {"a.example"})
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [each.name for each in file.parent.iterdir()] == ["x.pem"]


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nrubbish"])
def test_a_broken_file_is_made_anew(tmp_path: Path, content: bytes) -> None:
    """What a full disk left behind does not keep the server from starting."""
    file = tmp_path / "x.pem"
    file.write_bytes(content)
    assert names_of(kept_certificate(file, {"a.example"})) == {"a.example"}


def test_a_name_that_was_asked_for_is_in_it(tmp_path: Path) -> None:
    """A new public name makes a new certificate."""
    file = tmp_path / "x.pem"
    kept_certificate(file, {"a.example"})
    assert names_of(kept_certificate(file, {"b.example"})) == {"b.example"}


@pytest.mark.parametrize("host", ["m\u00fcller.example", "Voice.EXAMPLE", "0:0::1", "fe80::1%eth0", "192.0.2.1"])
def test_a_name_is_known_again_in_any_spelling(tmp_path: Path, host: str) -> None:
    """The certificate that was made for it is kept, at the next start and at every look."""
    http = HttpConfig(host=host, tls="self-signed")
    tls_context(http, tmp_path)
    file, state = certificate_file(http, tmp_path), state_of(http, tmp_path)
    first = file.read_bytes()
    tls_context(http, tmp_path)
    assert file.read_bytes() == first and state_of(http, tmp_path) == state


def test_the_kinds_of_context(tmp_path: Path) -> None:
    """Plain HTTP has none, self-signed and files have one."""
    assert tls_context(HttpConfig(host="127.0.0.1"), tmp_path) is None
    http = HttpConfig(host="0.0.0.0", public_url="https://voice.example.org")
    assert isinstance(tls_context(http, tmp_path), ssl.SSLContext)
    file = tmp_path / "keys" / "self-signed.pem"
    assert {"voice.example.org", "localhost", "127.0.0.1"} <= names_of(file)
    assert isinstance(tls_context(replace(http, tls="files", cert=file, key=file), tmp_path), ssl.SSLContext)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """Missing or broken files are one line that names them."""
    for content in (None, "rubbish"):
        file = tmp_path / "bad.pem"
        if content is not None:
            file.write_text(content)
        with pytest.raises(ConfigError, match=r"http\.cert, http\.key: .*bad\.pem") as failure:
            tls_context(HttpConfig(tls="files", cert=file, key=file), tmp_path)
        assert "\n" not in str(failure.value)
