"""Reads what others have written into Redis: whatever it is, it is a record, or it is ignored, counted, and said once.

A node's record has to have the seal of somebody who knows `node.secret`.
"""

import logging
from collections import Counter
from typing import TypeVar

import msgspec

from web.nodes.record_seal import RecordSeal
from web.nodes.records import NodeRecord
from web.nodes.redis_connection import RedisRefused

logger = logging.getLogger(__name__)

T = TypeVar("T")
WHY = ("rubbish", "wrong_type", "too_many", "unsigned")


class CheckedReader:
    """Counts what is ignored, by reason; the first of each reason is logged."""

    def __init__(self, seal: RecordSeal) -> None:
        self._seal = seal
        self.ignored: Counter[str] = Counter(dict.fromkeys(WHY, 0))

    def read(self, kind: type[T], key: str, answer: object) -> T | None:
        """The record of this kind in Redis' answer for `key`; None where there is none, or rubbish."""
        if isinstance(answer, RedisRefused):
            self.ignore("wrong_type", key, str(answer))
        elif isinstance(answer, bytes):
            try:
                return msgspec.json.decode(answer, type=kind)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self.ignore("rubbish", key, str(error))
        elif answer is not None:
            self.ignore("rubbish", key, f"it is of the type {type(answer).__name__}")
        return None

    def is_genuine(self, node: NodeRecord) -> bool:
        """Whether another node has written this record; one that is not is counted."""
        if self._seal.holds(node):
            return True
        self.ignore("unsigned", f"node:{node.name}", "it is not sealed with this node.secret, which has to be the same everywhere")
        return False

    def ignore(self, why: str, key: str, said: str) -> None:
        """Count something; why: one of WHY."""
        self.ignored[why] += 1
        if self.ignored[why] == 1:
            logger.warning("ignored in Redis (%s, further ones are only counted): %.80r: %.200s", why, key, said)
