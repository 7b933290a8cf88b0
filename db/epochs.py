"""The fence between servers. Whoever takes a broadcast over takes a higher epoch; a write that carries a lower one is refused.

The check and the write are one transaction, which `take` waits for: what is written afterwards under the old epoch is refused. Epochs
come from the database because a counter elsewhere may fall back when it fails over. One server needs none: without one all is written.
"""

from db.errors import Missing, StaleEpoch
from db.locks import hold
from db.tables import BroadcastEpoch, LiveBroadcast, User

KEPT = 10_000  # epochs of a user for which broadcasts are remembered; older ones count as taken over


def take(user_id: int, broadcast_id: str) -> int:
    """Take a user's broadcast over, or begin it: the next higher epoch, from 1. Raises Missing without such a user."""
    taken = list(User.update(epoch=User.epoch + 1).where(User.id == user_id).returning(User.epoch).tuples().execute())
    if not taken:
        raise Missing("no_such_user")
    epoch = int(taken[0][0])
    adding = BroadcastEpoch.insert(broadcast=broadcast_id, user=user_id, epoch=epoch)
    adding.on_conflict(conflict_target=[BroadcastEpoch.broadcast], preserve=[BroadcastEpoch.user, BroadcastEpoch.epoch]).execute()
    BroadcastEpoch.delete().where((BroadcastEpoch.user == user_id) & (BroadcastEpoch.epoch <= epoch - KEPT)).execute()
    return epoch


def check(tape: str, epoch: int | None) -> None:
    """To be called first in the transaction that writes about a broadcast. Raises StaleEpoch unless `epoch` is its newest, or None.

    tape: the broadcast's id, or the name of one of its recordings, which is that id, a dot and a number.
    """
    if epoch is None:
        return
    broadcast_id = tape.partition(".")[0]
    row = hold(BroadcastEpoch.select().where(BroadcastEpoch.broadcast == broadcast_id)).first()
    if row is None or row.epoch != epoch:
        raise StaleEpoch(f"{broadcast_id}: epoch {epoch}, while the newest is {None if row is None else row.epoch}")


def check_row(broadcast_id: str, node: str, username: str = "") -> None:
    """As `check`, for a server that has no epoch of the broadcast since its restart: raises StaleEpoch where another server has its row,
    or that of another broadcast of this user, for it has taken over meanwhile.

    node: this server among several; "": there is one. Holds the user, as `take` does, so that this stays so until the transaction ends.
    """
    if not node:
        return
    named = User.username == username
    of_it = LiveBroadcast.id == broadcast_id
    who = User.select().where(named | User.id.in_(LiveBroadcast.select(LiveBroadcast.user).where(of_it))).order_by(User.id)
    users = [user.id for user in hold(who)]
    for row in LiveBroadcast.select().where(of_it | LiveBroadcast.user.in_(users if username else [])):
        if row.node not in ("", node):
            raise StaleEpoch(f"{broadcast_id}: node {row.node} has it now, or another broadcast of the user's")
