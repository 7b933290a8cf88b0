"""Recipients and their send buffers, with real sockets and real encryption."""

import ctypes
import errno
import socket
import tracemalloc
from collections.abc import Iterator

import pytest

from sfu.fanout.recipients import Recipient, Recipients
from sfu.fanout.send_buffers import INITIAL_BUFFERS
from sfu.net import sendmmsg as sending
from sfu.net.sendmmsg import sockaddr
from sfu.wire import rtp
from sfu.wire.sdp import Audio
from tests.sfu.fanout.ears import SSRC, Ear


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    """The socket that packets are sent through."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.setblocking(False)
        yield bound


def join(group: Recipients, ear: Ear) -> Recipient:
    recipient = Recipient()
    recipient.set_destination(ear.fd, ear.address, ear.tx)
    group.add(recipient)
    return recipient


def leave(group: Recipients, recipient: Recipient) -> None:
    group.remove(recipient)
    recipient.close()


def plain(n: int, payload: bytes = b"voice") -> bytes:
    return rtp.build(111, n, 960 * n, SSRC, payload)


@pytest.mark.parametrize("sendmmsg", [sending.HAVE_SENDMMSG, False])
def test_a_hundred_ears(sender: socket.socket, sendmmsg: bool) -> None:
    """A hundred listeners with a hundred keys each decrypt every packet, with one system call a packet or one a listener."""
    group = Recipients(sendmmsg)
    ears = [Ear(sender) for _ in range(100)]
    members = [join(group, ear) for ear in ears]
    for n in range(20):
        group.send(plain(n, bytes([n]) * (n + 1)))
    for ear, recipient in zip(ears, members, strict=True):
        packets, _ = ear.hear()
        assert [packet.payload for packet in packets] == [bytes([n]) * (n + 1) for n in range(20)]
        assert ear.refused == 0
        assert recipient.counters == (20, 0, sum(range(1, 21)))
        leave(group, recipient)
        ear.close()


def test_largest_packet_fits(sender: socket.socket) -> None:
    """A packet with the largest payload that the rings carry arrives whole."""
    group = Recipients()
    with Ear(sender) as ear:
        recipient = join(group, ear)
        for n, octets in enumerate((10, 1500, 10)):
            group.send(plain(n, bytes(octets)))
        assert [packet.payload for packet in ear.hear()[0]] == [bytes(10), bytes(1500), bytes(10)]
        assert recipient.counters == (3, 0, 1520)
        leave(group, recipient)


def test_groups_get_their_own(sender: socket.socket) -> None:
    """Each group gets the packets that are sent to it, and no other."""
    groups = [Recipients() for _ in range(3)]
    ears = [Ear(sender) for _ in range(9)]
    members = [join(groups[at % 3], ear) for at, ear in enumerate(ears)]
    groups[0].send(plain(0, b"zero"))
    groups[2].send(plain(0, b"two"))
    groups[1].send(plain(1, b"one"))
    assert [ear.hear()[0][0].payload for ear in ears] == [b"zero", b"one", b"two"] * 3
    for at, recipient in enumerate(members):
        leave(groups[at % 3], recipient)
        ears[at].close()


def test_coming_and_going_leaks_nothing(sender: socket.socket) -> None:
    """After a thousand joins and leaves nobody is left to send to, and no memory is lost."""
    group = Recipients()
    with Ear(sender) as ear:

        def come_and_go(times: int) -> None:
            for n in range(times):
                members = [join(group, ear) for _ in range(3)]
                leave(group, members.pop(n % 3))
                for recipient in members:
                    leave(group, recipient)

        come_and_go(20)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        come_and_go(1000)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        group.send(plain(0))
        assert len(group) == 0 and not ear.hear()[0]
    assert grown < 20_000


def test_buffers_grow_while_in_use(sender: socket.socket) -> None:
    """A member goes on hearing while the buffers grow for more members, and after those have left."""
    group = Recipients()
    ears = [Ear(sender) for _ in range(INITIAL_BUFFERS + 1)]
    members = [join(group, ears[0])]
    group.send(plain(0))
    members += [join(group, ear) for ear in ears[1:]]
    group.send(plain(1))
    for recipient in members[1:]:
        leave(group, recipient)
    group.send(plain(2))
    assert [len(ear.hear()[0]) for ear in ears] == [3] + [1] * INITIAL_BUFFERS
    assert [recipient.counters.sent for recipient in members] == [3] + [1] * INITIAL_BUFFERS
    assert len(group) == 1
    for ear in ears:
        ear.close()


def test_counters_over_groups(sender: socket.socket) -> None:
    """The counters of a listener that changes group, moves or waits for an address say exactly what it was sent."""
    one, other = Recipients(), Recipients()
    with Ear(sender) as ear, Ear(sender) as beside:
        recipient = Recipient()
        one.add(recipient)
        stays = join(one, beside)
        one.send(plain(0, b"four"))  # it has no address yet
        assert recipient.counters == (0, 0, 0)
        recipient.set_destination(ear.fd, ear.address, ear.tx)
        one.send(plain(1, b"four"))
        one.remove(recipient)
        one.send(plain(2, b"four"))
        other.add(recipient)
        one.send(plain(3, b"four"))
        other.send(plain(3, b"seven!!"))
        recipient.set_destination(ear.fd, ear.address, ear.tx)
        other.send(plain(4, b"seven!!"))
        assert recipient.counters == (3, 0, 4 + 7 + 7)
        recipient.close()
        one.send(plain(5, b"four"))
        other.send(plain(5, b"seven!!"))
        assert recipient.counters == (3, 0, 4 + 7 + 7) and stays.counters == (5, 0, 20)
        assert len(ear.hear()[0]) == 3 and len(one) == 1 and len(other) == 0


def test_closed_recipient_is_inert(sender: socket.socket) -> None:
    """A closed recipient keeps its counters and is not sent to, even with a new destination or in a group again."""
    group = Recipients()
    with Ear(sender) as ear, Ear(sender) as other:
        recipient = join(group, ear)
        group.send(plain(0))
        leave(group, recipient)
        recipient.close()
        recipient.set_destination(ear.fd, ear.address, ear.tx)
        join(group, other)
        group.send(plain(1))
        group.add(recipient)
        group.send(plain(2))
        assert recipient.counters == (1, 0, 5)
        assert len(ear.hear()[0]) == 1 and len(other.hear()[0]) == 2


@pytest.mark.parametrize("sendmmsg", [sending.HAVE_SENDMMSG, False])
def test_one_without_a_way_harms_no_other(sender: socket.socket, sendmmsg: bool) -> None:
    """A listener that the kernel will not send to is counted for it alone; those before and after it hear."""
    group = Recipients(sendmmsg)
    ears = [Ear(sender) for _ in range(3)]
    members = [join(group, ear) for ear in ears]
    members[1].set_destination(ears[1].fd, ("127.0.0.1", 0), ears[1].tx)  # EINVAL
    group.send(plain(0))
    assert [recipient.counters[:2] for recipient in members] == [(1, 0), (0, 1), (1, 0)]
    assert [len(ear.hear()[0]) for ear in ears] == [1, 0, 1]
    for ear in ears:
        ear.close()


def test_one_without_keys_harms_no_other(sender: socket.socket) -> None:
    """Where libsrtp refuses to encrypt, nothing is sent in the clear, and the others hear."""
    group = Recipients()
    ears = [Ear(sender) for _ in range(3)]
    members = [join(group, ear) for ear in ears]
    group.send(plain(5000))
    leave(group, members[1])
    members[1] = join(group, ears[1])
    ears[1]._srtp.protect(plain(20_000))  # its session is far ahead now: 5001 is too old for it
    group.send(plain(5001))
    assert [recipient.counters[:2] for recipient in members] == [(2, 0), (0, 1), (2, 0)]
    assert [len(ear.hear()[0]) for ear in ears] == [2, 1, 2]
    for ear in ears:
        ear.close()


def test_full_socket_ends_the_round(sender: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the socket is full, the remaining copies are dropped and counted, and nobody waits."""
    if not sending.HAVE_SENDMMSG:
        pytest.skip("no sendmmsg here")
    answers = iter([(1, 0), (-1, errno.EINTR), (-1, errno.EPERM), (-1, errno.EAGAIN)])

    def sendmmsg(*_: object) -> int:
        done, wrong = next(answers)
        ctypes.set_errno(wrong)
        return done

    monkeypatch.setattr(sending, "_sendmmsg", sendmmsg)
    group = Recipients()
    ears = [Ear(sender) for _ in range(4)]
    members = [join(group, ear) for ear in ears]
    group.send(plain(0))
    assert [recipient.counters[:2] for recipient in members] == [(1, 0), (0, 1), (0, 1), (0, 1)]
    for ear in ears:
        ear.close()


def test_several_sockets_and_families(sender: socket.socket) -> None:
    """One send reaches listeners through different sockets, IPv4 and IPv6; one that moves is reached at its new address."""
    try:
        six = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        six.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    six.setblocking(False)
    group = Recipients()
    with six, Ear(sender) as four, Ear(six, Audio("0", 111)) as other:
        recipient = join(group, four)
        join(group, other)
        group.send(plain(0))
        assert len(four.hear()[0]) == len(other.hear()[0]) == 1
        recipient.set_destination(other.fd, other.address, four.tx)
        group.send(plain(1))
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
