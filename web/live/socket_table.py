"""The table of sockets: path, handler, who may, what clients send and are sent, close codes. /api/asyncapi.json is made of it.

Texts are for readers of docs/websockets.md, which a test writes from the document.
"""

from web.events.channel import GOING_AWAY, NO_SUCH_THING, NOT_ALLOWED, NOT_SIGNED_IN, SILENT, TOO_MANY
from web.events.socket_messages import (
    AllStatuses,
    BroadcastEnded,
    CueMark,
    FriendRequested,
    FriendshipChange,
    Hello,
    LevelUpdate,
    MessageError,
    PacketTimeChange,
    Ping,
    Pong,
    StreamingStatusUpdate,
)
from web.events.stream_status import StreamStatus
from web.http.asyncapi import CloseCode, SocketRow, SocketTable
from web.live import companions, sockets
from web.live.companion_messages import FROM_DEVICES, ChordHeard, ConnectionUpdate, Desk, PracticeUpdate, RemoteAction

LIFE = """\
A handshake needs an `Origin` of this site; another is refused with 403 `bad_origin`. Else the socket is accepted, and closed before any
message where it may not be. The server sends a WebSocket ping every 5 s and closes a socket from which nothing came for 15 s. A client that
does not read is cut off when 128 messages wait for it; `level` is left out for it before that."""

PRESENCE = """\
Which friends are live, and what they ask. The client sends nothing but `ping`."""

STREAM = """\
State, loudness and marks of a broadcast. `stream_state` comes on connecting and on change, changes within 20 ms as one. Who is not signed
in, or no friend, sends `hello` with the secret of a listen link as the first message, within 5 s; otherwise the socket is closed with 4401
(4403 where signed in). When the link ends so does the socket, with 4403. Else the client sends nothing but `ping`."""

SESSION = """\
The devices of a companion session. It is made by `POST /api/companions`, joined by `POST /api/companions/{id}/join`. What one device sends
goes to all devices of the session, the sender included. While the owner is live, each chord and practice mark is also a `cue` to the
listeners and a chapter of the recording. A session of kind `practice` takes chords and practice marks, one of kind `remote` takes `remote`;
the other kind's messages get `error` `wrong_kind` and are passed on to nobody."""

CLOSES = (
    CloseCode(GOING_AWAY, "the server ends; a stream socket: or the server that has the broadcast", "yes, with growing pauses"),
    CloseCode(1009, "a message over 64 KiB", "no"),
    CloseCode(NOT_SIGNED_IN, "not signed in, or not any more", "no"),
    CloseCode(NOT_ALLOWED, "not allowed: no friend, or no friend any more", "no"),
    CloseCode(NO_SUCH_THING, "no such user or session, or the session is over", "no"),
    CloseCode(SILENT, "silent for 15 s", "yes"),
    CloseCode(
        TOO_MANY,
        "too many messages (20 a second for a socket, or all devices of a session; 200 a second for a user) or sockets (256 for a user)",
        "later",
    ),
)

SOCKET_TABLE = SocketTable(
    (
        SocketRow(
            "/ws/presence",
            sockets.presence,
            "login",
            PRESENCE,
            (),
            (AllStatuses, StreamingStatusUpdate, FriendRequested, FriendshipChange),
        ),
        SocketRow(
            "/ws/stream/{username}",
            sockets.stream,
            "login: the user and friends; or the bearer of a listen link, by `hello`",
            STREAM,
            (Hello,),
            (StreamStatus, LevelUpdate, CueMark, BroadcastEnded, PacketTimeChange),
        ),
        SocketRow(
            "/ws/session/{id}",
            companions.socket,
            "the owner's login, or a device that has joined by the code",
            SESSION,
            tuple(FROM_DEVICES.values()),
            (Desk, ConnectionUpdate, ChordHeard, PracticeUpdate, RemoteAction),
            companions.DeviceQuery,
        ),
    ),
    takes=(Ping,),
    gives=(Pong, MessageError),
    closes=CLOSES,
    told=LIFE,
)
