"""`run.py doctor`: looks for what keeps browsers from hearing each other. One line for each finding; exit 1 if anything is broken."""

import argparse
import asyncio
import errno
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from cryptography import x509

from sfu.config.errors import ConfigError
from sfu.config.load import load
from sfu.config.schema import Config
from sfu.net.bind import bind_all
from web.acme.http_port import opened
from web.acme.keeper import check_installed
from web.acme.past import past_of
from web.acme.stored import giver_of
from web.cli.reachability import accepts, unreached
from web.http.addresses import is_loopback, is_wildcard, served_at
from web.http.announced import Announced
from web.http.tls import certificate_served, certified_names, names_without, tls_context, tls_in_force
from web.recordings.object_store import ObjectStore, ObjectTrouble
from web.serve import CONFIG_FILE, bind
from workers.weights.weights import FAMILIES, search

GOOD, WARNING, BROKEN = "ok", "warning", "broken"
ENOUGH_FILES = 4096
SPACE_GOOD_BYTES, SPACE_LEAST_BYTES = 2 * 10**9, 10**8  # below the second nothing is recorded
RENEW_WITHIN = timedelta(days=14)


class Finding(NamedTuple):
    """state: ok, warning or broken; text: what was found, and what to do about it."""

    state: str
    text: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 if anything is broken, else 0."""
    parser = argparse.ArgumentParser(prog="run.py doctor", description="Look for what keeps browsers from hearing each other.")
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    asked = parser.parse_args(arguments)
    findings = list(findings_of(asked.config))
    for state, text in findings:
        print(f"{state:8} {text}")
    return 1 if any(state == BROKEN for state, _ in findings) else 0


def findings_of(file: Path) -> Iterator[Finding]:
    """All findings, in the order in which a starting server would run into them."""
    try:
        config = load(file)
    except ConfigError as wrong:
        yield Finding(BROKEN, str(wrong))
        return
    yield Finding(GOOD, f"Settings: {file} can be read, and every value makes sense.")
    yield from _storage(config.storage.path)
    yield from _s3(config.storage.s3_url)
    yield from _files()
    yield from _certificate(config)
    serving = _is_served(config)
    yield from _web_port(config, serving)
    yield from _acme_port(config, serving)
    yield from asyncio.run(_media_port(config, serving))
    yield from _weights(config)


def _storage(path: Path) -> Iterator[Finding]:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
        free = shutil.disk_usage(path).free
    except OSError as wrong:
        yield Finding(BROKEN, f"Storage: nothing can be written in {path}: {wrong.strerror}.")
        return
    room = f"Storage: {free / 1e9:.1f} GB free in {path}"
    if free < SPACE_LEAST_BYTES:
        yield Finding(BROKEN, f"{room}; that is too little to record.")
    elif free < SPACE_GOOD_BYTES:
        yield Finding(WARNING, f"{room}; that is enough for a few hours of recordings.")
    else:
        yield Finding(GOOD, f"{room}.")


def _s3(url: str) -> Iterator[Finding]:
    if not url:
        return
    try:
        store = ObjectStore(url, quiet=True)
        asyncio.run(store.try_out())
        yield Finding(GOOD, f"S3: {store.place} can be written, read and deleted.")
    except ConfigError as wrong:
        yield Finding(BROKEN, str(wrong))
    except ObjectTrouble as trouble:
        yield Finding(BROKEN, f"S3: {store.place} cannot be used: {trouble}. Recordings stay on this disk until it can.")


def _files() -> Iterator[Finding]:
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != limit < ENOUGH_FILES:
        yield Finding(WARNING, f"Files: only {limit} may be open at once, which is too few for many listeners. Raise `ulimit -n`.")
    else:
        yield Finding(GOOD, "Files: as many as are needed may be open at once.")


def _certificate(config: Config) -> Iterator[Finding]:
    kind, public = tls_in_force(config.http), urlsplit(config.http.public_url)
    if kind == "off":
        if public.scheme == "https" or is_loopback(config.http.host):
            yield Finding(GOOD, "HTTPS: not by this server; browsers allow a microphone on loopback, and behind a proxy with HTTPS.")
        else:
            yield Finding(WARNING, 'HTTPS: off, so browsers elsewhere allow no microphone. Set http.tls = "self-signed", or use a proxy.')
    elif kind == "self-signed":
        yield Finding(GOOD, "HTTPS: self-signed certificate; browsers ask once whether to trust it.")
    elif kind == "acme":
        yield from _by_acme(config)
    else:
        yield _own_files(config, public.hostname)


def _by_acme(config: Config) -> Iterator[Finding]:
    try:
        check_installed(config.http)
    except ConfigError as wrong:
        yield Finding(BROKEN, f"HTTPS: {wrong}")
        return
    names, place = ", ".join(certified_names(config.http)), urlsplit(config.http.acme_url).hostname
    found, giver = certificate_served(config.http, config.storage.path), giver_of(config.http, config.storage.path)
    if found is None:
        yield Finding(WARNING, f"HTTPS: self-signed certificate, until {place} has given one for {names}; a running server asks for it.")
    elif found.not_valid_after_utc < datetime.now(UTC) + RENEW_WITHIN:
        yield Finding(
            WARNING,
            f"HTTPS: the certificate of {urlsplit(giver).hostname} ends on {found.not_valid_after_utc:%Y-%m-%d} and has not been renewed.",
        )
    elif giver != config.http.acme_url:
        yield Finding(WARNING, f"HTTPS: the certificate is of {giver}, not of http.acme_url yet; a running server asks for one.")
    elif missing := names_without(found, config.http):
        yield Finding(WARNING, f"HTTPS: the certificate of {place} is not for {', '.join(missing)} yet; a running server asks for one.")
    else:
        yield Finding(GOOD, f"HTTPS: certificate of {place} for {names}, good until {found.not_valid_after_utc:%Y-%m-%d}.")
    if (past := past_of(config.http, config.storage.path)).failure:
        at = datetime.fromtimestamp(past.failed_at, UTC)
        yield Finding(WARNING, f"HTTPS: there was no new certificate at {at:%Y-%m-%d %H:%M} UTC: {past.failure}.")


def _own_files(config: Config, name: str | None) -> Finding:
    try:
        tls_context(config.http, config.storage.path)
        assert config.http.cert is not None
        certificate = x509.load_pem_x509_certificate(config.http.cert.read_bytes())
    except (ConfigError, OSError, ValueError) as wrong:
        return Finding(BROKEN, f"HTTPS: {wrong}")
    end = certificate.not_valid_after_utc
    if end < datetime.now(UTC):
        return Finding(BROKEN, f"HTTPS: {config.http.cert} ended on {end:%Y-%m-%d}. Renew it.")
    if end < datetime.now(UTC) + RENEW_WITHIN:
        return Finding(WARNING, f"HTTPS: {config.http.cert} ends on {end:%Y-%m-%d}. Renew it.")
    if name and not _covers(certificate, name):
        return Finding(BROKEN, f"HTTPS: {config.http.cert} is not for {name}.")
    return Finding(GOOD, f"HTTPS: {config.http.cert} is good until {end:%Y-%m-%d}.")


def _covers(certificate: x509.Certificate, name: str) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    known = {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
    return name in known or f"*.{name.partition('.')[2]}" in known


def _is_served(config: Config) -> bool:
    """Whether something answers on the web port. If it is this server, its ports are in use, as they should be."""
    host = ("::1" if ":" in config.http.host else "127.0.0.1") if is_wildcard(config.http.host) else config.http.host
    return bool(config.http.port) and asyncio.run(accepts(host, config.http.port))


def _web_port(config: Config, serving: bool) -> Iterator[Finding]:
    place = f"{config.http.host}, port {config.http.port}"
    if serving:
        yield Finding(GOOD, f"Web: somebody answers on {place}; if it is not this server, choose another http.port.")
        return
    with ExitStack() as bound:
        try:
            for each in bind(config.http):
                bound.enter_context(each)
        except ConfigError as wrong:
            if isinstance(wrong.__cause__, PermissionError):
                yield Finding(WARNING, _no_right(config.http.port, "http.port"))
            else:
                yield Finding(BROKEN, f"Web: {wrong}")
            return
    yield Finding(GOOD, f"Web: {place} is free.")
    where = [address for address in served_at(config.http.host) if not is_loopback(address)]
    if not where:
        yield Finding(WARNING, "Web: only this machine can reach it; set http.host for others.")


def _acme_port(config: Config, serving: bool) -> Iterator[Finding]:
    port = config.http.acme_port
    if tls_in_force(config.http) != "acme" or not port:
        return
    try:
        for each in opened(config.http):
            each.close()
    except PermissionError:
        yield Finding(WARNING, _no_right(port, "http.acme_port"))
    except OSError as wrong:
        if serving and wrong.errno == errno.EADDRINUSE:
            yield Finding(GOOD, f"HTTPS: port {port} (http.acme_port) is in use; as it should be, if that is this server.")
        else:
            yield Finding(WARNING, f"HTTPS: port {port} (http.acme_port) cannot be opened: {wrong.strerror}.")
    else:
        yield Finding(GOOD, f"HTTPS: port {port} (http.acme_port) is free.")


def _no_right(port: int, setting: str) -> str:
    """Only a warning: a unit gives the service the right, and the doctor is started without it."""
    return f"Web: port {port} ({setting}) needs a right; a unit gives it by AmbientCapabilities=CAP_NET_BIND_SERVICE."


async def _media_port(config: Config, serving: bool) -> list[Finding]:
    rtc = config.rtc
    found: list[Finding] = []
    try:
        asked = Announced(rtc.announce)
    except ConfigError as wrong:
        return [Finding(BROKEN, str(wrong))]
    await asked.ask()
    announced = asked.addresses
    for name in asked.unknown:
        found.append(Finding(WARNING, f"Media: {name} (rtc.announce) has no address in DNS now; it is offered once it has one."))
    try:
        bound = await bind_all(rtc.host, rtc.port)
    except ConfigError as wrong:
        state = GOOD if serving and "is used by" in str(wrong) else BROKEN
        return [Finding(state, f"Media: {wrong}" + ("; as it should be, if that is this server." if state == GOOD else ""))]
    try:
        port = bound.datagrams[0].getsockname()[1]
        own = [str(each.getsockname()[0]) for each in bound.datagrams]
        found.append(Finding(GOOD, f"Media: UDP {rtc.port or 'of any number'} on {', '.join(own)} is free."))
        if len(bound.listening) < len(bound.datagrams):
            found.append(Finding(WARNING, f"Media: TCP {port} is used by another program; without UDP, sound goes over http.port only."))
        else:
            found.append(Finding(GOOD, "Media: TCP port of the same number is free."))
        lost = await unreached(bound.datagrams, announced)
        found += [_not_reached(address, announced) for address in lost]
        if not lost:
            found.append(Finding(GOOD, f"Media: can be reached from this machine at {', '.join(dict.fromkeys([*own, *announced]))}."))
        if rtc.port and any(not is_loopback(each) for each in own):
            found.append(Finding(GOOD, f"Media: firewall and router must let UDP and TCP {port} in; the page /doctor tests that."))
    finally:
        for each in (*bound.datagrams, *bound.listening):
            each.close()
    return found


def _not_reached(address: str, announced: Sequence[str]) -> Finding:
    if address in announced:
        return Finding(WARNING, f"Media: {address} (rtc.announce) cannot be reached from this machine; behind some routers that is normal.")
    return Finding(BROKEN, f"Media: no datagram from this machine reaches {address}: a firewall on this machine blocks it.")


def _weights(config: Config) -> Iterator[Finding]:
    for family in FAMILIES.values():
        place = None
        for folder, wrong in search(family, config.models.path, config.storage.path / "cache"):
            if wrong is None:
                place = folder
                break
            yield Finding(WARNING, f"Weights: {family.denoiser} in {folder} are damaged: {wrong}.")
        wanted = config.denoise.default in (family.denoiser, "auto" if family.by_itself else family.denoiser)
        if place is not None:
            yield Finding(GOOD, f"Weights: {family.denoiser} in {place}.")
        elif wanted and not family.by_itself:
            yield Finding(WARNING, f"Weights: none of {family.denoiser}; `run.py models fetch {family.denoiser}` fetches them.")
        elif wanted and config.models.download:
            yield Finding(WARNING, f"Weights: none of {family.denoiser} yet; the server fetches them, and uses rnnoise until then.")
        elif wanted:
            yield Finding(WARNING, f"Weights: none of {family.denoiser}, and models.download is off; the server uses rnnoise instead.")


if __name__ == "__main__":
    sys.exit(main())
