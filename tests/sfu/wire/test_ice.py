"""ICE-lite: genuine Binding requests are answered, all others are not."""

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from sfu.wire import ice

THERE = ("192.0.2.7", 40000)


def request(end: ice.IceLite, remote: str = "them", **attributes: object) -> stun.Message:
    message = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    message.attributes["USERNAME"] = f"{end.credentials.ufrag}:{remote}"
    for name, value in attributes.items():
        message.attributes[name.replace("_", "-")] = value
    message.add_message_integrity(end.credentials.password.encode())
    return message


def ask(end: ice.IceLite, message: stun.Message, source: ice.Address = THERE) -> ice.Reply | None:
    return end.answer(ice.parse_request(bytes(message)), source)


@pytest.mark.parametrize("source", [THERE, ("2001:db8::5", 5000, 0, 0), ("fe80::1%lo", 5000, 0, 1)])
def test_a_genuine_request_is_told_its_address(source: ice.Address) -> None:
    """A signed response of the same transaction, with the mapped address and a fingerprint."""
    end = ice.IceLite("them")
    message = request(end)
    reply = ask(end, message, source)
    assert reply is not None and reply.accepted and not reply.nominated
    response = stun.parse_message(reply.datagram)
    assert response.message_class == stun.Class.RESPONSE and response.transaction_id == message.transaction_id
    assert response.attributes["XOR-MAPPED-ADDRESS"] == (source[0].removesuffix("%lo"), source[1])
    assert response.check_message_integrity(end.credentials.password.encode()) and "FINGERPRINT" in response.attributes


def test_use_candidate_nominates() -> None:
    """A request with USE-CANDIDATE nominates the address that it comes from."""
    end = ice.IceLite("them")
    reply = ask(end, request(end, ICE_CONTROLLING=1, USE_CANDIDATE=None))
    assert reply is not None and reply.nominated


def test_a_request_is_told_from_its_repetition() -> None:
    """A transaction among the last few thousand is a repetition, whether it was parsed or answered unparsed."""
    end = ice.IceLite("them")
    first, later = request(end), request(end)
    assert [ask(end, each).repeated for each in (first, later, first, later)] == [False, False, True, True]  # type: ignore[union-attr]
    third = request(end)
    assert end.answer_repeated(bytes(third), THERE) is not None and ask(end, third).repeated  # type: ignore[union-attr]
    for _ in range(ice.MAX_TRANSACTIONS):
        assert end.answer_repeated(bytes(request(end)), THERE) is not None
    assert not ask(end, first).repeated  # type: ignore[union-attr]


def test_who_thinks_it_is_controlled_is_told_otherwise() -> None:
    """A request with ICE-CONTROLLED gets a signed 487, since a lite end never controls, and is no consent."""
    end = ice.IceLite("them")
    reply = ask(end, request(end, ICE_CONTROLLED=1 << 63))
    assert reply is not None and not reply.accepted
    response = stun.parse_message(reply.datagram)
    assert response.error_code == 487 and response.check_message_integrity(end.credentials.password.encode())


def test_forgeries_get_no_answer() -> None:
    """A request with another password, remote ufrag or generation gets no answer."""
    end, other = ice.IceLite("them"), ice.IceLite("them")
    forged = request(end)
    forged.add_message_integrity(b"guess" * 5)
    assert ask(end, forged) is None
    assert ask(end, request(end, remote="others")) is None
    assert ask(end, request(other)) is None


@pytest.mark.parametrize("kind", [stun.Class.INDICATION, stun.Class.RESPONSE, stun.Class.ERROR])
def test_only_requests_are_read(kind: stun.Class) -> None:
    """Indications, responses, and requests without signature or USERNAME raise ValueError."""
    message = stun.Message(stun.Method.BINDING, kind)
    message.attributes["USERNAME"] = "a:b"
    message.add_message_integrity(b"x")
    anonymous = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    unsigned = stun.Message(stun.Method.BINDING, stun.Class.REQUEST, attributes={"USERNAME": "a:b"})
    for each in (message, anonymous, unsigned):
        with pytest.raises(ValueError):
            ice.parse_request(bytes(each))


def test_a_restart_keeps_the_old_generation_until_the_new_one_is_used() -> None:
    """Both generations are answered until the first request of the new one; a further restart replaces a generation that was not used."""
    end = ice.IceLite("them")
    before = request(end)
    old = end.credentials.ufrag
    assert end.restart("again") == () and end.is_current("again") and not end.is_current("them")
    skipped = end.credentials.ufrag
    assert end.restart("thrice") == (skipped,)
    assert set(end.ufrags()) == {old, end.credentials.ufrag}
    assert ask(end, before) is not None
    reply = ask(end, request(end, remote="thrice"))
    assert reply is not None and reply.retired == (old,)
    assert ask(end, before) is None and end.ufrags() == (end.credentials.ufrag,)
    assert end.restart("more") == ()


@given(st.binary(max_size=120), st.integers(0, 140), st.integers(0, 255))
def test_rubbish_is_a_value_error(rubbish: bytes, at: int, byte: int) -> None:
    """Random bytes, random attributes and damaged requests raise ValueError and nothing else."""
    end = ice.IceLite("them")
    damaged = bytearray(bytes(request(end, PRIORITY=1, ICE_CONTROLLING=1, USE_CANDIDATE=None)))
    damaged[at % len(damaged)] = byte
    padded = rubbish + bytes(-len(rubbish) % 4)
    headed = b"\x00\x01" + len(padded).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + bytes(12) + padded
    for datagram in (rubbish, headed, bytes(damaged)):
        try:
            end.answer(ice.parse_request(datagram), THERE)
        except ValueError:
            pass


def test_credentials_are_of_the_right_alphabet_and_length() -> None:
    """Ufrag and password have at least 4 and 22 characters, all of them allowed by RFC 8839."""
    ours = ice.new_credentials()
    assert len(ours.ufrag) >= 8 and len(ours.password) >= 24
    assert all(each.isalnum() or each in "+/" for each in ours.ufrag + ours.password)
