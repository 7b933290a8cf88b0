"""Seals a node's record in Redis, and checks others': whoever writes there, but does not know `node.secret`, cannot pose as a node.

What is sealed says where requests go: name, URL and run. Load and counts change every two seconds and are not.
"""

import hashlib
import hmac

import msgspec

from web.nodes.records import NodeRecord
from web.nodes.signed_requests import key_of

PURPOSE = "directory"


class RecordSeal:
    """Knows the key."""

    def __init__(self, secret: str) -> None:
        self._key = key_of(secret, PURPOSE)

    def on(self, record: NodeRecord) -> NodeRecord:
        """The record with its seal."""
        return msgspec.structs.replace(record, mac=self._mac(record))

    def holds(self, record: NodeRecord) -> bool:
        """Whether its seal was made with this key, for this name, URL and run."""
        return hmac.compare_digest(record.mac.encode("utf-8", "surrogateescape"), self._mac(record).encode())

    def _mac(self, record: NodeRecord) -> str:
        said = msgspec.json.encode((record.name, record.url, record.boot))
        return hmac.digest(self._key, said, hashlib.sha256).hex()
