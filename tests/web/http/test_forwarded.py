"""Proxy headers in all their spellings."""

from ipaddress import ip_address, ip_network

import pytest
from multidict import CIMultiDict

from web.http.forwarded import MOST_HOPS, Parsed, is_marked, told

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]


def trusts(address: Parsed) -> bool:
    return any(address in network for network in TRUSTED)


def read(*lines: tuple[str, str]) -> tuple[str | None, str | None]:
    """Address and scheme by these header lines."""
    found = told(CIMultiDict(lines), trusts)
    return None if found.address is None else str(found.address), found.scheme


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("203.0.113.2", "203.0.113.2"),
        ("203.0.113.2:51008", "203.0.113.2"),
        ("203.0.113.2:_hidden", "203.0.113.2"),
        ('"203.0.113.2:51008"', "203.0.113.2"),
        ("[203.0.113.2]:443", "203.0.113.2"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ('"[2001:db8::1]:443"', "2001:db8::1"),
        ('"\\[2001:db8::1\\]:443"', "2001:db8::1"),
        ("2001:db8:1:2:3:4:5:6:51008", "2001:db8:1:2:3:4:5:6"),
        ("  fe80::1%eth0  ", "fe80::1"),
        ("[fe80::1%25eth0]:80", "fe80::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("[::ffff:203.0.113.5]:1", "203.0.113.5"),
        ("unknown", None),
        ("unknown:1234", None),
        ("_hidden", None),
        ("203.0.113.999", None),
        ("203.0.113.2 evil", None),
        ("0x7f.1", None),
        ('"', None),
        (":", None),
        ("[]", None),
        ("\u0662\u0660\u0663.0.113.2", None),
    ],
)
def test_an_address_in_all_its_shapes(written: str, address: str | None) -> None:
    """Ports, brackets, quotes and zones are removed, in both kinds of header; other text is no address."""
    assert read(("X-Forwarded-For", written)) == (address, None)
    assert read(("Forwarded", f"by=10.0.0.1;For={written}")) == (address, None)


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["203.0.113.3, 10.0.0.1:40000"], "203.0.113.3"),
        (["1.1.1.1, 203.0.113.4:40000"], "203.0.113.4"),
        (["1.1.1.1", "203.0.113.4, 10.0.0.2"], "203.0.113.4"),
        (['"1.1.1.1', "203.0.113.4"], "203.0.113.4"),
        (["1.1.1.1, unknown, 10.0.0.2"], "10.0.0.2"),
        (["1.1.1.1, unknown"], None),
        (["10.0.0.3, fd00::2"], "10.0.0.3"),
        ([" , 203.0.113.4, ,"], "203.0.113.4"),
        ([""], None),
    ],
)
def test_the_walk_through_several_hops(lines: list[str], address: str | None) -> None:
    """The list is read from its end through trusted proxies, up to the first untrusted or missing address."""
    assert read(*(("X-Forwarded-For", line) for line in lines))[0] == address
    elements = [", ".join(f"for={each.strip()}" for each in line.split(",") if each.strip()) for line in lines]
    assert read(*(("Forwarded", line) for line in elements))[0] == address


def test_a_list_without_end() -> None:
    """Only the last MOST_HOPS hops are read, however many a client sends."""
    assert read(("X-Forwarded-For", "203.0.113.4" + ",10.0.0.1" * (MOST_HOPS + 1))) == ("10.0.0.1", None)
    assert read(("X-Forwarded-For", "203.0.113.4" + ",10.0.0.1" * (MOST_HOPS - 1))) == ("203.0.113.4", None)


@pytest.mark.parametrize(
    ("lines", "scheme"),
    [
        ([("X-Forwarded-Proto", "HTTPS")], "https"),
        ([("X-Forwarded-Proto", "https, http")], "https"),
        ([("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "203.0.113.4, 10.0.0.2")], "https"),
        ([("X-Forwarded-Proto", "https, http"), ("X-Forwarded-For", "203.0.113.4, 10.0.0.2")], "https"),
        ([("X-Forwarded-Proto", "https, http"), ("X-Forwarded-For", "192.0.2.1, 203.0.113.4")], "http"),
        ([("X-Forwarded-Proto", "https, http"), ("X-Forwarded-For", "10.0.0.2")], "https"),
        ([("X-Forwarded-Proto", "gopher")], None),
        ([("X-Forwarded-Proto", "wss")], "wss"),
        ([("Forwarded", 'for=203.0.113.4;proto="https", for=10.0.0.2;proto=http')], "https"),
        ([("Forwarded", "for=192.0.2.1;proto=https, for=203.0.113.4;proto=http")], "http"),
        ([("Forwarded", "proto=https")], "https"),
    ],
)
def test_the_scheme_is_told_by_the_outermost_that_is_believed(lines: list[tuple[str, str]], scheme: str | None) -> None:
    """The scheme is that of the outermost trusted proxy, where TLS may end; what an untrusted one says does not count."""
    assert read(*lines)[1] == scheme


def test_two_kinds_of_header() -> None:
    """Where both kinds of header agree they count, else neither: a proxy that writes one may pass on a client's other."""
    both = ("X-Forwarded-For", "203.0.113.4"), ("X-Forwarded-Proto", "https")
    assert read(*both, ("Forwarded", 'for="203.0.113.4:99";proto=https')) == ("203.0.113.4", "https")
    assert read(*both, ("Forwarded", "for=198.51.100.7;proto=https")) == (None, "https")
    assert read(*both, ("Forwarded", "for=unknown")) == (None, "https")
    assert read(*both, ("Forwarded", "for=203.0.113.4;proto=http")) == ("203.0.113.4", None)
    assert read(*both, ("Forwarded", "host=voice.example")) == ("203.0.113.4", "https")


def test_traces_of_a_proxy() -> None:
    """Any header that proxies add marks a request; headers of clients do not."""
    for name in ("x-forwarded-for", "X-Forwarded-Host", "Forwarded", "Via", "X-Real-IP", "cf-connecting-ip"):
        assert is_marked(CIMultiDict({name: "x"})), name
    assert not is_marked(CIMultiDict({"Host": "localhost", "X-Requested-With": "curl", "Forward": "1"}))


def test_every_spelling_is_one_address() -> None:
    """IPv6 addresses have their shortest spelling, so that each is one key."""
    assert told(CIMultiDict({"X-Forwarded-For": "2001:0DB8:0:0::0001"}), trusts).address == ip_address("2001:db8::1")
