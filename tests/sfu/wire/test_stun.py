"""Our STUN against aioice's: it builds the same bytes, and accepts no request that aioice would not."""

from struct import error as StructError

import pytest
from aioice import stun as reference
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire import ice, stun

KEY = b"a password of ours"
OURS = stun.Key(KEY)
SOURCES = [("192.0.2.7", 40000), ("2001:db8::5", 1), ("::", 0x2112), ("255.255.255.255", 65535)]
ATTRIBUTES = st.fixed_dictionaries(
    {"USERNAME": st.text(max_size=80)},
    optional={
        "PRIORITY": st.integers(0, 2**32 - 1),
        "USE-CANDIDATE": st.none(),
        "ICE-CONTROLLED": st.integers(0, 2**64 - 1),
        "ICE-CONTROLLING": st.integers(0, 2**64 - 1),
        "SOFTWARE": st.text(max_size=20),
    },
)


def request(attributes: dict[str, object], key: bytes = KEY, transaction: bytes = bytes(range(12))) -> reference.Message:
    message = reference.Message(reference.Method.BINDING, reference.Class.REQUEST, transaction, dict(attributes))
    message.add_message_integrity(key)
    return message


def signed_with(extra: bytes, key: bytes = KEY) -> bytes:
    """A genuine request with further attributes, as they are, in front of MESSAGE-INTEGRITY."""
    plain = bytes(reference.Message(reference.Method.BINDING, reference.Class.REQUEST, bytes(12), {"USERNAME": "a:b"})) + extra
    signature = reference.message_integrity(plain, key)
    return reference.set_body_length(plain, len(plain) + 4) + b"\0\x08\0\x14" + signature


def believed(datagram: bytes) -> bool:
    """Would aioice take it for a request that KEY has signed?"""
    try:
        message = reference.parse_message(datagram)
    except (ValueError, StructError):
        return False
    is_request = (message.message_method, message.message_class) == (reference.Method.BINDING, reference.Class.REQUEST)
    return is_request and "USERNAME" in message.attributes and message.check_message_integrity(KEY)


@given(ATTRIBUTES, st.binary(min_size=12, max_size=12), st.booleans())
def test_requests_are_read_as_aioice_reads_them(attributes: dict[str, object], transaction: bytes, fingerprint: bool) -> None:
    """A request of aioice is read with its username, role, nomination and signature, with and without FINGERPRINT."""
    message = request(attributes, transaction=transaction)
    if not fingerprint:
        del message.attributes["FINGERPRINT"]
    parsed = stun.parse(bytes(message))
    assert (parsed.transaction, parsed.username, parsed.unknown) == (transaction, attributes["USERNAME"], ())
    assert (parsed.use_candidate, parsed.controlled) == ("USE-CANDIDATE" in attributes, "ICE-CONTROLLED" in attributes)
    assert stun.is_genuine(parsed, OURS) and not stun.is_genuine(parsed, stun.Key(KEY + b"!"))


@given(st.binary(min_size=12, max_size=12), st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)), st.integers(0, 65535))
def test_answers_are_those_of_aioice_byte_for_byte(transaction: bytes, host: object, port: int) -> None:
    """Success with any address of either IP version, and the role conflict, are the same bytes as aioice's."""
    asked = stun.parse(bytes(request({"USERNAME": "a:b"}, transaction=transaction)))
    theirs = reference.Message(reference.Method.BINDING, reference.Class.RESPONSE, transaction, {"XOR-MAPPED-ADDRESS": (str(host), port)})
    theirs.add_message_integrity(KEY)
    assert stun.build_response(asked, str(host), port, OURS) == bytes(theirs)
    theirs = reference.Message(reference.Method.BINDING, reference.Class.ERROR, transaction, {"ERROR-CODE": (487, "Role Conflict")})
    theirs.add_message_integrity(KEY)
    assert stun.build_error(asked, stun.ROLE_CONFLICT, OURS) == bytes(theirs)


@given(ATTRIBUTES, st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=3), st.integers(-9, 9))
def test_nothing_damaged_is_believed_that_aioice_would_not_believe(
    attributes: dict[str, object], damage: list[tuple[int, int]], longer: int
) -> None:
    """Bytes changed, cut off or added: a ValueError or no signature, unless aioice finds it genuine too."""
    datagram = bytearray(bytes(request(attributes)))
    for at, byte in damage:
        datagram[at % len(datagram)] = byte
    datagram = datagram[:longer] if longer < 0 else datagram + bytes(longer)
    try:
        genuine = stun.is_genuine(stun.parse(bytes(datagram)), OURS)
    except ValueError:
        return
    assert not genuine or believed(bytes(datagram))


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_not_understood_is_named(source: ice.Address) -> None:
    """Unknown comprehension-required attributes give a signed 420 that lists them, and no consent; optional and known ones are ignored."""
    end = ice.IceLite("them")
    key = end.credentials.password.encode()
    name = reference.Message(reference.Method.BINDING, reference.Class.REQUEST, attributes={"USERNAME": f"{end.credentials.ufrag}:them"})
    for extra, unknown in ((b"\x7f\xff\0\0\0\x31\0\1x\0\0\0", b"\x7f\xff\0\x31"), (b"\xff\xff\0\2ab\0\0\0\x14\0\0", b"")):
        plain = bytes(name) + extra
        datagram = reference.set_body_length(plain, len(plain) + 4) + b"\0\x08\0\x14" + reference.message_integrity(plain, key)
        reply = end.answer(ice.parse_request(datagram), source)
        assert reply is not None and reply.accepted is not bool(unknown)
        answer = reference.parse_message(reply.datagram)
        assert answer.check_message_integrity(key) and answer.error_code == (420 if unknown else None)
        assert (b"\0\x0a" + len(unknown).to_bytes(2, "big") + unknown in reply.datagram) is bool(unknown)


@pytest.mark.parametrize(
    "extra",
    [b"\x80\x29\0\4abcd", b"\0\x24\0\2ab\0\0", b"\0\x25\0\4abcd", b"\x80\x28\0\4abcd", b"\xff\xff\0\xff", b"\0\x06\0\2\xff\xfe\0\0"[:6]],
)
def test_signed_nonsense_is_refused(extra: bytes) -> None:
    """Lengths that the attribute does not have, an early fingerprint, an attribute beyond the end, a length that is not padded."""
    with pytest.raises(ValueError):
        stun.parse(signed_with(extra))


def test_another_protocol_with_these_first_bytes_is_refused() -> None:
    """Without the magic cookie it is no STUN of ours."""
    datagram = bytes(request({"USERNAME": "a:b"}))
    with pytest.raises(ValueError, match="not a Binding"):
        stun.parse(datagram[:4] + b"\0\0\0\0" + datagram[8:])


def test_what_follows_the_signature_is_not_believed() -> None:
    """USE-CANDIDATE behind MESSAGE-INTEGRITY nominates nobody."""
    datagram = signed_with(b"")
    parsed = stun.parse(reference.set_body_length(datagram, len(datagram) - 16) + b"\0\x25\0\0")
    assert not parsed.use_candidate and stun.is_genuine(parsed, OURS)


def consent(lite: ice.IceLite, transaction: bytes, fingerprint: bool = True) -> bytes:
    """A consent check, as clients send it every few seconds."""
    message = request({"USERNAME": f"{lite.credentials.ufrag}:them", "PRIORITY": 7}, lite.credentials.password.encode(), transaction)
    if not fingerprint:
        del message.attributes["FINGERPRINT"]
    return bytes(message)


@given(st.binary(min_size=12, max_size=12), st.booleans(), st.sampled_from([("192.0.2.7", 40000), ("2001:db8::5", 1, 0, 0)]))
def test_a_repeated_request_is_answered_as_if_it_were_read(transaction: bytes, fingerprint: bool, source: ice.Address) -> None:
    """The unparsed answer is the same bytes; a request without FINGERPRINT, or from another address, has to be parsed."""
    lite = ice.IceLite("them")
    assert lite.answer_repeated(consent(lite, bytes(12)), source) is None
    lite.answer(ice.parse_request(consent(lite, bytes(12), fingerprint)), source)
    asked = consent(lite, transaction, fingerprint)
    reply = lite.answer(ice.parse_request(asked), source)
    assert reply is not None
    assert lite.answer_repeated(asked, source) == (reply.datagram if fingerprint else None)
    assert lite.answer_repeated(asked, ("192.0.2.8", 40000)) is None


@given(st.integers(0, 10_000), st.integers(1, 255), st.binary(max_size=8))
def test_nothing_else_passes_for_a_repeated_request(at: int, bits: int, more: bytes) -> None:
    """A request with a changed byte anywhere, or with bytes after it, is not answered unparsed."""
    lite, source = ice.IceLite("them"), ("192.0.2.7", 40000)
    known = consent(lite, bytes(12))
    lite.answer(ice.parse_request(known), source)
    forged = bytearray(known)
    forged[at % len(forged)] ^= bits
    assert lite.answer_repeated(bytes(forged), source) is None
    assert (lite.answer_repeated(known + more, source) is None) is bool(more)
    assert lite.answer_repeated(known[: at % len(known)], source) is None


def test_a_restart_retires_what_was_repeated() -> None:
    """After the first request of the new generation, requests of the old one are not answered."""
    lite, source = ice.IceLite("them"), ("192.0.2.7", 40000)
    old = consent(lite, bytes(12))
    lite.answer(ice.parse_request(old), source)
    lite.restart("them")
    assert lite.answer_repeated(old, source) is not None
    lite.answer(ice.parse_request(consent(lite, bytes(12))), source)
    assert lite.answer_repeated(old, source) is None
