"""What the owner sees of the whole server: what is on air with its cost, the system, everybody's invites, the log of acts."""

import asyncio
import importlib.metadata
import platform
import shutil
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, cast

from aiohttp import web

from db import audit, broadcasts, invites, people
from db.audit import Act
from db.owner_tables import AuditEntry
from db.tables import Invite
from sfu.config.schema import Config
from sfu.rfc3339 import rfc3339
from web.acme.past import AcmePast, past_of
from web.admin.owner import the_owner
from web.denoisers.catalogue import DENOISERS, DenoiserRow
from web.events.presence import PRESENCE
from web.http.json_body import query_as
from web.http.paging import ListPage
from web.http.responses import ok
from web.http.shapes import Answer, Timestamp
from web.http.tls import certificate_end, certificate_file, issued_file, tls_in_force
from web.keys import CAPACITY, CONFIG, DB, NODE
from web.logs.recent_warnings import RECENT_WARNINGS, Warned
from web.operations import READINESS

PACKAGES = ("hushcast", "aiohttp", "aiortc", "peewee", "onnxruntime", "numpy")
SERVED = ("starting", "active")  # states of denoising that take a processor


class AirRow(Answer, frozen=True, kw_only=True):
    """A broadcast on air. cores: the processors that its denoising takes, null at another server; node: which, "" where there is one."""

    username: str
    title: str | None
    state: Literal["live", "parked"]
    since: Timestamp | None
    duration_s: float
    listeners: int
    denoiser: str
    denoising: Literal["off", "starting", "active", "bypassed"]
    cores: float | None
    node: str


class Version(Answer, frozen=True, kw_only=True):
    """A program or package, and its version."""

    name: str
    version: str


class Holder(Answer, frozen=True, kw_only=True):
    """What one account has stored, with what is in the trash."""

    username: str
    recordings: int
    used_bytes: int


class WarningRow(Answer, frozen=True, kw_only=True):
    """A warning or error of the log."""

    at: Timestamp
    level: Literal["WARNING", "ERROR"]
    logger: str
    message: str


class CertificateState(Answer, frozen=True, kw_only=True):
    """kind: which is served; "acme": the authority's. ends_at: null where it cannot be read. failure: the last one since the authority
    gave one, "" for none; failed_at: null for none.
    """

    kind: Literal["self-signed", "files", "acme"]
    ends_at: Timestamp | None
    failure: str
    failed_at: Timestamp | None


class SystemState(Answer, frozen=True, kw_only=True):
    """people: at most fifty, who store most; warnings: at most a hundred since the start, newest first; cores: of processors.

    certificate: null without TLS.
    """

    versions: list[Version]
    denoisers: list[DenoiserRow]
    up_s: float
    cores: float
    cores_taken: float
    disk_free_bytes: int
    disk_size_bytes: int
    people: list[Holder]
    warnings: list[WarningRow]
    certificate: CertificateState | None


class InviteOfAll(Answer, frozen=True, kw_only=True):
    """Somebody's invite, without its code. uses, expires_at: null for no limit."""

    id: int
    username: str
    uses: int | None
    used: int
    created_at: Timestamp
    expires_at: Timestamp | None


class AuditRow(Answer, frozen=True, kw_only=True):
    """An act. actor: a username, "" for the command line; about: the account that it was done to."""

    id: int
    at: Timestamp
    actor: str
    act: Act
    about: str


async def live(request: web.Request) -> web.Response:
    """List what is on air, at all servers, with its cost."""
    await the_owner(request)
    presence, node = request.app[PRESENCE], request.app.get(NODE, "")
    rows = {row.user.username: row.node for row in await request.app[DB].read(broadcasts.on_air)}
    away = await presence.elsewhere.statuses([name for name, at in rows.items() if at != node])
    told = {name: away.get(name) or presence.status(name, own=False) for name in rows}
    return ok(_air_row(request.app, status, rows[name], here=name not in away) for name, status in told.items() if status["live"])


async def system(request: web.Request) -> web.Response:
    """Tell versions, models, storage by person, and the last warnings."""
    await the_owner(request)
    disk = await asyncio.to_thread(shutil.disk_usage, request.app[CONFIG].storage.path)
    held = await request.app[DB].read(people.largest)
    capacity = request.app[CAPACITY]
    return ok(
        SystemState(
            versions=list(_versions()),
            denoisers=request.app[DENOISERS].listed(),
            up_s=round(time.monotonic() - request.app[READINESS].started, 1),
            cores=capacity.cores,
            cores_taken=round(capacity.taken, 3),
            disk_free_bytes=disk.free,
            disk_size_bytes=disk.total,
            people=[Holder(username=each.username, recordings=each.recordings, used_bytes=each.used_bytes) for each in held],
            warnings=[_warning_row(each) for each in request.app[RECENT_WARNINGS]],
            certificate=await asyncio.to_thread(_certificate, request.app[CONFIG]),
        )
    )


async def all_invites(request: web.Request) -> web.Response:
    """List everybody's invites, newest first."""
    await the_owner(request)
    rows = await request.app[DB].read(invites.of_all, *query_as(request, ListPage).part)
    return ok(_invite_row(row) for row in rows)


async def acts(request: web.Request) -> web.Response:
    """List what was done to accounts by the owner and by the command line, newest first. The newest ten thousand acts are kept."""
    await the_owner(request)
    rows = await request.app[DB].read(audit.entries, *query_as(request, ListPage).part)
    return ok(_audit_row(row) for row in rows)


def _air_row(app: web.Application, status: Mapping[str, Any], node: str, *, here: bool) -> AirRow:
    denoise = status["denoise"]
    cost = round(app[CAPACITY].cost(denoise["denoiser"]), 3) if denoise["state"] in SERVED else 0.0
    return AirRow(
        username=status["username"],
        title=status["title"],
        state=status["state"],
        since=status["since"],
        duration_s=status["duration_s"],
        listeners=status["listeners"],
        denoiser=denoise["denoiser"],
        denoising=denoise["state"],
        cores=cost if here else None,
        node=node,
    )


def _certificate(config: Config) -> CertificateState | None:
    kind, storage = tls_in_force(config.http), config.storage.path
    if kind == "off":
        return None
    past = past_of(config.http, storage) if kind == "acme" else AcmePast()
    if kind == "acme" and certificate_file(config.http, storage) != issued_file(storage):
        kind = "self-signed"
    ends = certificate_end(config.http, storage)
    return CertificateState(
        kind=cast(Literal["self-signed", "files", "acme"], kind),
        ends_at=None if ends is None else rfc3339(datetime.fromtimestamp(ends, UTC)),
        failure=past.failure,
        failed_at=rfc3339(datetime.fromtimestamp(past.failed_at, UTC)) if past.failure else None,
    )


def _warning_row(each: Warned) -> WarningRow:
    level: Literal["WARNING", "ERROR"] = "ERROR" if each.level == "ERROR" else "WARNING"
    return WarningRow(at=rfc3339(each.at), level=level, logger=each.logger, message=each.message)


def _versions() -> Iterator[Version]:
    yield Version(name="python", version=platform.python_version())
    for package in PACKAGES:
        try:
            yield Version(name=package, version=importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            continue  # hushcast itself runs from its checkout


def _invite_row(row: Invite) -> InviteOfAll:
    times = {"created_at": rfc3339(row.created_at), "expires_at": rfc3339(row.expires_at)}
    return InviteOfAll(id=row.id, username=row.user.username, uses=row.uses, used=row.used, **times)


def _audit_row(row: AuditEntry) -> AuditRow:
    return AuditRow(id=row.id, at=rfc3339(row.at), actor=row.actor, act=cast(Act, row.act), about=row.about)
