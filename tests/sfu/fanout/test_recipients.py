"""Slots and the one system call: real sockets, real encryption."""

import ctypes
import errno
import socket
import tracemalloc
from collections.abc import Iterator

import pytest

from sfu.fanout.recipients import AllRecipients, Recipient, Recipients
from sfu.fanout.send_buffers import FIRST_ROWS
from sfu.net import sendmmsg as sending
from sfu.net.sendmmsg import sockaddr
from sfu.wire import rtp
from sfu.wire.sdp import Audio
from tests.sfu.fanout.ears import SSRC, Ear


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    """The socket that listeners are sent by."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.setblocking(False)
        yield bound


def seat(batch: AllRecipients, crew: Recipients, ear: Ear) -> Recipient:
    slot = batch.take()
    slot.aim(ear.fd, ear.address, ear.tx)
    crew.add(slot)
    return slot


def leave(crew: Recipients, slot: Recipient) -> None:
    crew.remove(slot)
    slot.give_back()


def plain(n: int, payload: bytes = b"voice") -> bytes:
    return rtp.build(111, n, 960 * n, SSRC, payload)


@pytest.mark.parametrize("sendmmsg", [sending.HAVE_SENDMMSG, False])
def test_a_hundred_ears(sender: socket.socket, sendmmsg: bool) -> None:
    """A hundred listeners with a hundred keys each decrypt every packet, with one call a packet or a call for each."""
    batch = AllRecipients(sendmmsg)
    crew = Recipients(batch)
    ears = [Ear(sender) for _ in range(100)]
    slots = [seat(batch, crew, ear) for ear in ears]
    for n in range(20):
        batch.send([(crew, plain(n, bytes([n]) * (n + 1)))])
    for ear, slot in zip(ears, slots, strict=True):
        packets, _ = ear.hear()
        assert [packet.payload for packet in packets] == [bytes([n]) * (n + 1) for n in range(20)]
        assert ear.refused == 0
        assert slot.tally == (20, 0, sum(range(1, 21)))
        leave(crew, slot)
        ear.close()


def test_largest_packet_fits(sender: socket.socket) -> None:
    """A packet of the largest payload that the rings carry arrives whole."""
    batch = AllRecipients()
    crew = Recipients(batch)
    with Ear(sender) as ear:
        slot = seat(batch, crew, ear)
        for n, octets in enumerate((10, 1500, 10)):
            batch.send([(crew, plain(n, bytes(octets)))])
        assert [packet.payload for packet in ear.hear()[0]] == [bytes(10), bytes(1500), bytes(10)]
        assert slot.tally == (3, 0, 1520)
        leave(crew, slot)


def test_crews_get_their_own(sender: socket.socket) -> None:
    """Two crews in one send each get their own packet; a crew left out gets nothing."""
    batch = AllRecipients()
    crews = [Recipients(batch) for _ in range(3)]
    ears = [Ear(sender) for _ in range(9)]
    slots = [seat(batch, crews[at % 3], ear) for at, ear in enumerate(ears)]
    batch.send([(crews[0], plain(0, b"zero")), (crews[2], plain(0, b"two"))])
    batch.send([(crews[1], plain(1, b"one"))])
    assert [ear.hear()[0][0].payload for ear in ears] == [b"zero", b"one", b"two"] * 3
    for at, slot in enumerate(slots):
        leave(crews[at % 3], slot)
        ears[at].close()


def test_coming_and_going_leaks_nothing(sender: socket.socket) -> None:
    """After a thousand joins and leaves nobody is left to send to, and the memory is what it was."""
    batch = AllRecipients()
    crew = Recipients(batch)
    with Ear(sender) as ear:

        def come_and_go(times: int) -> None:
            for n in range(times):
                slots = [seat(batch, crew, ear) for _ in range(3)]
                leave(crew, slots.pop(n % 3))
                for slot in slots:
                    leave(crew, slot)

        come_and_go(20)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        come_and_go(1000)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        batch.send([(crew, plain(0))])
        assert len(crew) == 0 and not ear.hear()[0]
    assert grown < 20_000


def test_rows_grow_under_those_who_sit_there(sender: socket.socket) -> None:
    """When more listen than there are rows, the others go on hearing; when they have left, who stays goes on too."""
    batch = AllRecipients()
    crew = Recipients(batch)
    ears = [Ear(sender) for _ in range(FIRST_ROWS + 1)]
    slots = [seat(batch, crew, ears[0])]
    batch.send([(crew, plain(0))])
    slots += [seat(batch, crew, ear) for ear in ears[1:]]
    batch.send([(crew, plain(1))])
    for slot in slots[1:]:
        leave(crew, slot)
    batch.send([(crew, plain(2))])
    assert [len(ear.hear()[0]) for ear in ears] == [3] + [1] * FIRST_ROWS
    assert [slot.tally.sent for slot in slots] == [3] + [1] * FIRST_ROWS
    assert len(crew) == 1
    for ear in ears:
        ear.close()


def test_tally_over_crews(sender: socket.socket) -> None:
    """Who goes from crew to crew, moves, or waits for an address has been sent just what it was sent."""
    batch = AllRecipients()
    one, other = Recipients(batch), Recipients(batch)
    with Ear(sender) as ear, Ear(sender) as beside:
        slot = batch.take()
        one.add(slot)
        stays = seat(batch, one, beside)
        batch.send([(one, plain(0, b"four"))])  # it has no address yet
        assert slot.tally == (0, 0, 0)
        slot.aim(ear.fd, ear.address, ear.tx)
        batch.send([(one, plain(1, b"four"))])
        one.remove(slot)
        batch.send([(one, plain(2, b"four"))])
        other.add(slot)
        batch.send([(one, plain(3, b"four")), (other, plain(3, b"seven!!"))])
        slot.aim(ear.fd, ear.address, ear.tx)
        batch.send([(other, plain(4, b"seven!!"))])
        assert slot.tally == (3, 0, 4 + 7 + 7)
        slot.give_back()
        batch.send([(one, plain(5, b"four")), (other, plain(5, b"seven!!"))])
        assert slot.tally == (3, 0, 4 + 7 + 7) and stays.tally == (5, 0, 20)
        assert len(ear.hear()[0]) == 3 and len(one) == 1 and len(other) == 0


def test_slot_given_back_is_inert(sender: socket.socket) -> None:
    """After it was given back a slot keeps its tally and is not sent to, whoever still aims it."""
    batch = AllRecipients()
    crew = Recipients(batch)
    with Ear(sender) as ear, Ear(sender) as other:
        slot = seat(batch, crew, ear)
        batch.send([(crew, plain(0))])
        leave(crew, slot)
        slot.give_back()
        slot.aim(ear.fd, ear.address, ear.tx)
        seat(batch, crew, other)
        batch.send([(crew, plain(1))])
        crew.add(slot)
        batch.send([(crew, plain(2))])
        assert slot.tally == (1, 0, 5)
        assert len(ear.hear()[0]) == 1 and len(other.hear()[0]) == 2


@pytest.mark.parametrize("sendmmsg", [sending.HAVE_SENDMMSG, False])
def test_one_without_a_way_harms_no_other(sender: socket.socket, sendmmsg: bool) -> None:
    """A listener that the kernel will not send to is counted on its own slot; those before and after it hear."""
    batch = AllRecipients(sendmmsg)
    crew = Recipients(batch)
    ears = [Ear(sender) for _ in range(3)]
    slots = [seat(batch, crew, ear) for ear in ears]
    slots[1].aim(ears[1].fd, ("127.0.0.1", 0), ears[1].tx)  # EINVAL
    batch.send([(crew, plain(0))])
    assert [slot.tally[:2] for slot in slots] == [(1, 0), (0, 1), (1, 0)]
    assert [len(ear.hear()[0]) for ear in ears] == [1, 0, 1]
    for ear in ears:
        ear.close()


def test_one_without_keys_harms_no_other(sender: socket.socket) -> None:
    """Where libsrtp refuses to encrypt, nothing is sent in the clear, and the others hear."""
    batch = AllRecipients()
    crew = Recipients(batch)
    ears = [Ear(sender) for _ in range(3)]
    slots = [seat(batch, crew, ear) for ear in ears]
    batch.send([(crew, plain(5000))])
    leave(crew, slots[1])
    slots[1] = seat(batch, crew, ears[1])
    ears[1]._srtp.protect(plain(20_000))  # its numbering is far ahead now: 5001 is too old for it
    batch.send([(crew, plain(5001))])
    assert [slot.tally[:2] for slot in slots] == [(2, 0), (0, 1), (2, 0)]
    assert [len(ear.hear()[0]) for ear in ears] == [2, 1, 2]
    for ear in ears:
        ear.close()


def test_full_socket_ends_the_round(sender: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the socket itself is full, the rest of the round is dropped and counted, and nobody waits."""
    if not sending.HAVE_SENDMMSG:
        pytest.skip("no sendmmsg here")
    answers = iter([(1, 0), (-1, errno.EINTR), (-1, errno.EPERM), (-1, errno.EAGAIN)])

    def sendmmsg(*_: object) -> int:
        done, wrong = next(answers)
        ctypes.set_errno(wrong)
        return done

    monkeypatch.setattr(sending, "_sendmmsg", sendmmsg)
    batch = AllRecipients()
    crew = Recipients(batch)
    ears = [Ear(sender) for _ in range(4)]
    slots = [seat(batch, crew, ear) for ear in ears]
    batch.send([(crew, plain(0))])
    assert [slot.tally[:2] for slot in slots] == [(1, 0), (0, 1), (0, 1), (0, 1)]
    for ear in ears:
        ear.close()


def test_several_sockets_and_families(sender: socket.socket) -> None:
    """Listeners behind different sockets, IPv4 and IPv6, hear out of one send; one that moves is found again."""
    try:
        six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        six.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    six.setblocking(False)
    batch = AllRecipients()
    crew = Recipients(batch)
    with six, Ear(sender) as four, Ear(six, Audio("0", 111)) as other:
        slot = seat(batch, crew, four)
        seat(batch, crew, other)
        batch.send([(crew, plain(0))])
        assert len(four.hear()[0]) == len(other.hear()[0]) == 1
        slot.aim(other.fd, other.address, four.tx)
        batch.send([(crew, plain(1))])
        assert not four.hear()[0]
        assert len(other.hear()[0]) == 1 and other.refused == 1  # its own, and what was encrypted for the one that moved


@pytest.mark.parametrize("address", [("192.0.2.1", 8081), ("2001:db8::1", 8081, 0, 0), ("fe80::1", 1, 0, 7)])
def test_sockaddr_is_the_kernels(address: tuple[str, int] | tuple[str, int, int, int]) -> None:
    """An address in the kernel's form has its family, its port in network order, and its scope."""
    name = sockaddr(address)
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    assert int.from_bytes(name[:2], "little") == family and int.from_bytes(name[2:4], "big") == address[1]
    assert len(name) == (28 if family == socket.AF_INET6 else 16)
    assert socket.inet_pton(family, address[0]) in name
    if len(address) == 4:
        assert int.from_bytes(name[24:], "little") == address[3]
