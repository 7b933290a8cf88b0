"""TLS by its setting, and the stored certificate."""

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509

from sfu.config.errors import ConfigError
from sfu.config.schema import HttpConfig
from tests.web.acme.test_authority import stored
from web.http.tls import certificate_file, issued_file, kept_certificate, state_of, tls_context, tls_in_force, write_private


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
    """The stored certificate serves after a restart, even if the machine has another address then."""
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
    """A truncated certificate file, as a full disk leaves it, does not stop the start."""
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
    """A certificate made for such a name is not replaced at the next start or check."""
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


@pytest.mark.parametrize(
    ("names", "ends_days", "served"),
    [
        (("a.example",), 89, True),
        (("a.example", "b.example"), 89, True),  # one more than the certificate has
        (("b.example", "c.example"), 89, False),
        (("a.example", "b.example"), -1, False),
    ],
)
def test_a_new_name_takes_the_certificate_from_no_other(names: tuple[str, ...], ends_days: float, served: bool, tmp_path: Path) -> None:
    """The certificate of an authority serves on, with HSTS, while it is in date and for one of the names."""
    http, file = HttpConfig(host="0.0.0.0", tls="acme", names=names), issued_file(tmp_path)
    write_private(file, stored("a.example", begins_days=-2, ends_days=ends_days))
    context = tls_context(http, tmp_path)
    assert context is not None and context.vouched_for is served
    assert (certificate_file(http, tmp_path) == file) is served


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    """Missing or broken files are a ConfigError that names them."""
    for content in (None, "rubbish"):
        file = tmp_path / "bad.pem"
        if content is not None:
            file.write_text(content)
        with pytest.raises(ConfigError, match=r"http\.cert, http\.key: .*bad\.pem") as failure:
            tls_context(HttpConfig(tls="files", cert=file, key=file), tmp_path)
        assert "\n" not in str(failure.value)
