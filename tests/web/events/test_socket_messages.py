"""Messages of the sockets as texts and structs."""

import json

import msgspec
import pytest

from web.errors import BadRequest
from web.events.socket_messages import AllStatuses, Envelope, FriendRow, LevelUpdate, Ping, envelope_of, text_of
from web.http.fields import message_from


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"type": "ping", "data": {"timestamp": 1}, "more": 2}', Envelope("ping", {"timestamp": 1})),
        ('{"type": "remote"}', Envelope("remote", {})),
        ('{"type": "\\ud800", "data": {"x": 1' + 30 * "0" + "}}", Envelope("\ud800", {"x": 10**30})),
    ],
)
def test_a_message_is_read(text: str, expected: Envelope) -> None:
    """It has a type; data may be missing; what else there is is ignored."""
    assert envelope_of(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "1", "null", "[]", "{}", '{"type": 1}', '{"type": "a", "data": null}', '{"type": "a", "data": []}', '{"type": "a", "x": NaN}'],
)
def test_what_is_no_message(text: str) -> None:
    """Anything else is refused as a whole."""
    with pytest.raises(ValueError):
        envelope_of(text)


@pytest.mark.parametrize("timestamp", [0, None, "x", [1, {"a": 2}], 10**30])
def test_a_ping_takes_any_value(timestamp: object) -> None:
    """Null is a value; no timestamp at all is none."""
    assert message_from(Ping, {"timestamp": timestamp}).timestamp == timestamp
    with pytest.raises(BadRequest):
        message_from(Ping, {"time": timestamp})


def test_a_message_is_written() -> None:
    """Type and data, on one line; a struct within the data is an object."""
    rows = [FriendRow(username="alice", live=False, since=None)]
    assert json.loads(text_of(AllStatuses(friends=rows))) == {"type": "all_statuses", "data": {"friends": [msgspec.to_builtins(rows[0])]}}
    assert text_of(LevelUpdate(original_dbfs=-1.5, denoised_dbfs=None)) == (
        '{"type":"level","data":{"original_dbfs":-1.5,"denoised_dbfs":null}}'
    )
