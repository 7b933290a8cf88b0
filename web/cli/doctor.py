"""`run.py doctor`: look for what keeps browsers from hearing each other. One plain line a finding; exit 1 where something is broken."""

import argparse
import asyncio
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

from sfu.config.load import load
from sfu.config.schema import Config
from sfu.errors import ConfigError
from sfu.net.bind import bind_all
from web.cli.reachability import accepts, unreached
from web.http.addresses import is_loopback, is_wildcard, served_at
from web.http.announced import Announced
from web.http.tls import tls_context, tls_in_force
from web.serve import CONFIG_FILE, bind
from workers.weights.weights import FAMILIES, search

GOOD, WARNING, BROKEN = "ok", "warning", "broken"
FILES_ENOUGH = 4096
SPACE_GOOD, SPACE_LEAST = 2 * 10**9, 10**8  # bytes: an hour of recordings; nothing can be written any more
RENEW = timedelta(days=14)


class Finding(NamedTuple):
    """state: ok, warning or broken; text: what was found, and what to do where something is to be done."""

    state: str
    text: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, or 1 where something is broken."""
    parser = argparse.ArgumentParser(prog="run.py doctor", description="Look for what keeps browsers from hearing each other.")
    parser.add_argument("--config", type=Path, default=CONFIG_FILE, help="settings (default: config.toml beside run.py)")
    asked = parser.parse_args(arguments)
    findings = list(examined(asked.config))
    for state, text in findings:
        print(f"{state:8} {text}")
    return 1 if any(state == BROKEN for state, _ in findings) else 0


def examined(file: Path) -> Iterator[Finding]:
    """All findings, in the order in which a server would meet them."""
    try:
        config = load(file)
    except ConfigError as wrong:
        yield Finding(BROKEN, str(wrong))
        return
    yield Finding(GOOD, f"Settings: {file} can be read, and every value makes sense.")
    yield from _storage(config.storage.path)
    yield from _files()
    yield from _certificate(config)
    serving = _is_served(config)
    yield from _web_port(config, serving)
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
    if free < SPACE_LEAST:
        yield Finding(BROKEN, f"{room}; nothing can be recorded.")
    elif free < SPACE_GOOD:
        yield Finding(WARNING, f"{room}; that is few hours of recordings.")
    else:
        yield Finding(GOOD, f"{room}.")


def _files() -> Iterator[Finding]:
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != limit < FILES_ENOUGH:
        yield Finding(WARNING, f"Files: {limit} may be open at once; with many listeners that is too few. Raise `ulimit -n`.")
    else:
        yield Finding(GOOD, "Files: as many as are needed may be open at once.")


def _certificate(config: Config) -> Iterator[Finding]:
    kind, public = tls_in_force(config.http), urlsplit(config.http.public_url)
    if kind == "off":
        if public.scheme == "https" or is_loopback(config.http.host):
            yield Finding(GOOD, "HTTPS: not by this server; browsers give a microphone on loopback and behind your proxy.")
        else:
            yield Finding(WARNING, 'HTTPS: off, so browsers elsewhere give no microphone. Set http.tls = "self-signed", or use a proxy.')
    elif kind == "self-signed":
        yield Finding(GOOD, "HTTPS: by a certificate of this server's own; browsers ask once whether to trust it.")
    else:
        yield _own_files(config, public.hostname)


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
    if end < datetime.now(UTC) + RENEW:
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
    """Does something answer on the web port already? Then the ports are in use, as they should be."""
    host = ("::1" if ":" in config.http.host else "127.0.0.1") if is_wildcard(config.http.host) else config.http.host
    return bool(config.http.port) and asyncio.run(accepts(host, config.http.port))


def _web_port(config: Config, serving: bool) -> Iterator[Finding]:
    place = f"{config.http.host}, port {config.http.port}"
    if serving:
        yield Finding(GOOD, f"Web: somebody answers on {place}; if that is not this server, choose another http.port.")
        return
    with ExitStack() as opened:
        try:
            for each in bind(config.http):
                opened.enter_context(each)
        except ConfigError as wrong:
            yield Finding(BROKEN, f"Web: {wrong}")
            return
    yield Finding(GOOD, f"Web: {place} is free for it.")
    where = [address for address in served_at(config.http.host) if not is_loopback(address)]
    if not where:
        yield Finding(WARNING, "Web: it is served on this machine only; set http.host for others.")


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
        found.append(Finding(WARNING, f"Media: nobody knows an address of {name} (rtc.announce) now; it is offered once somebody does."))
    try:
        bound = await bind_all(rtc.host, rtc.port)
    except ConfigError as wrong:
        state = GOOD if serving and "is used by" in str(wrong) else BROKEN
        return [Finding(state, f"Media: {wrong}" + ("; as it should be, if that is this server." if state == GOOD else ""))]
    try:
        port = bound.datagrams[0].getsockname()[1]
        own = [str(each.getsockname()[0]) for each in bound.datagrams]
        found.append(Finding(GOOD, f"Media: UDP {rtc.port or 'of any number'} on {', '.join(own)} can be listened on."))
        if len(bound.listening) < len(bound.datagrams):
            found.append(Finding(WARNING, f"Media: TCP {port} is used by another program; without UDP sound comes by http.port alone."))
        else:
            found.append(Finding(GOOD, "Media: TCP of the same number too."))
        lost = await unreached(bound.datagrams, announced)
        found += [_not_reached(address, announced) for address in lost]
        if not lost:
            found.append(Finding(GOOD, f"Media: reached from this machine at {', '.join(dict.fromkeys([*own, *announced]))}."))
        if rtc.port and any(not is_loopback(each) for each in own):
            found.append(Finding(GOOD, f"Media: firewall and router have to let UDP and TCP {port} in; the page /doctor tells."))
    finally:
        for each in (*bound.datagrams, *bound.listening):
            each.close()
    return found


def _not_reached(address: str, announced: Sequence[str]) -> Finding:
    if address in announced:
        return Finding(WARNING, f"Media: {address} (rtc.announce) is not reached from here; behind some routers that is normal.")
    return Finding(BROKEN, f"Media: no datagram from this machine reaches {address}. A firewall on this machine is in the way.")


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
            yield Finding(WARNING, f"Weights: none of {family.denoiser}; run.py models fetch {family.denoiser} gets them.")
        elif wanted and config.models.download:
            yield Finding(WARNING, f"Weights: none of {family.denoiser} yet; the server fetches them, and rnnoise serves meanwhile.")
        elif wanted:
            yield Finding(WARNING, f"Weights: none of {family.denoiser}, and models.download is off; rnnoise serves instead.")


if __name__ == "__main__":
    sys.exit(main())
