"""A Debian of a test's own: a root made by debootstrap, changed in a layer above it, with processes, mounts and a network of its own."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.conftest import missing_program
from tests.support.namespaces import SETUP as NETWORK
from tests.support.running import ROOT

SUITE, MIRROR = "bookworm", "http://deb.debian.org/debian"
KEPT = ROOT / "var" / "cache" / "debian"
KEPT_S = 7 * 86_400.0  # then it is made anew, with what Debian has by then
PROGRAMS = ("debootstrap", "unshare", "nsenter", "setpriv", "ip")
# What a machine needs to reach the package mirrors where it does not reach them directly.
WAYS_OUT = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "PIP_INDEX_URL")
AUTHORITIES = Path("/usr/local/share/ca-certificates")  # of the machine's own; the package ca-certificates takes them up
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Moves into a control group of its own, then makes the layer the root of a process with its own mounts, devices, network and processes,
# with which all others in there end. Nothing of the host's kernel is writable from there.
ENTER = """
set -e
mount -t overlay overlay -o lowerdir={base},upperdir={layer}/changed,workdir={layer}/work {layer}/root
cd {layer}/root
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t tmpfs tmpfs run
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs dev
for node in null zero full random urandom tty; do cp -a /dev/$node dev/; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for number in 0 1 2; do ln -s /proc/self/fd/$number dev/$(echo stdin stdout stderr | cut -d " " -f $((number + 1))); done
pivot_root . mnt
umount -l /mnt
exec {init}
"""
SYSTEMD = "/lib/systemd/systemd systemd.unified_cgroup_hierarchy=1"
WAITING = "sh -c 'while read line; do :; done'"


def base(*packages: str) -> Path:
    """The folder of a minimal Debian with these packages besides, kept for the next run. Skips the test where it cannot be made."""
    if os.geteuid():
        pytest.skip("debootstrap takes root")
    for program in PROGRAMS:
        if not shutil.which(program):
            missing_program(program)
    place = KEPT / "-".join((SUITE, *packages))
    if place.is_dir() and time.time() - place.stat().st_mtime < KEPT_S:
        return place
    draft = place.with_name(place.name + ".new")
    for old in (draft, place):
        shutil.rmtree(old, ignore_errors=True)
    draft.parent.mkdir(parents=True, exist_ok=True)
    included = [f"--include={','.join(packages)}"] if packages else []
    command = ["debootstrap", "--variant=minbase", *included, SUITE, str(draft), MIRROR]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout[-3000:]
    draft.rename(place)
    os.utime(place)
    return place


class DebianRoot:
    """A root that runs. `run` is a command in it. Of the network outside it has what its packages come from, and only where asked."""

    def __init__(self, pid: int) -> None:
        self.pid = pid  # of the first process in there, whose namespaces they are

    def command(self, words: Sequence[str], *, user: str = "root", cwd: str = "/", outside: bool = False) -> list[str]:
        """The words as a command of the host. outside: with the host's network instead of the root's own."""
        spaces = ["--mount", "--pid", "--uts", "--root", f"--wd={self.inside(cwd)}", *([] if outside else ["--net"])]
        known = {line.split(":")[0]: line.split(":") for line in (self.inside("/etc/passwd")).read_text().splitlines()}
        known |= {entry[2]: entry for entry in known.values()}
        who = ["setpriv", f"--reuid={known[user][2]}", f"--regid={known[user][3]}", "--init-groups"] if user != "root" else []
        return ["nsenter", f"--target={self.pid}", *spaces, "--", *who, *words]

    def run(
        self,
        words: Sequence[str],
        *,
        user: str = "root",
        cwd: str = "/",
        more: Mapping[str, str] | None = None,
        outside: bool = False,
        timeout_s: float = 600.0,
    ) -> str:
        """What a command says that succeeds. more: variables of its environment, which has nothing of the test's own."""
        done = subprocess.run(
            self.command(words, user=user, cwd=cwd, outside=outside),
            env=environment(more or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
        )
        assert done.returncode == 0, f"{words} ended with {done.returncode}:\n{done.stdout[-5000:]}"
        return done.stdout

    def inside(self, path: str) -> Path:
        """A path of the root as the host reaches it, through its own mounts."""
        return Path(f"/proc/{self.pid}/root") / path.lstrip("/")


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a fresh shell, with the machine's way to the network."""
    ways = {name: os.environ[name] for name in WAYS_OUT if name in os.environ}
    return {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **ways, **more}


@contextmanager
def running(lower: Path, layer: Path, *, systemd: bool = False) -> Iterator[DebianRoot]:
    """A root over `lower` until the end of the context; with it ends every process in there.

    layer: an empty folder for what changes. systemd: the first process is Debian's init, which the base has to have.
    """
    for name in ("changed", "work", "root"):
        (layer / name).mkdir(parents=True)
    (layer / "changed" / "etc").mkdir()
    shutil.copy("/etc/resolv.conf", layer / "changed" / "etc" / "resolv.conf")
    (layer / "changed" / "etc" / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
    if AUTHORITIES.is_dir():
        shutil.copytree(AUTHORITIES, layer / "changed" / AUTHORITIES.relative_to("/"))
    group = _control_groups() / f"hushcast-{os.getpid()}-{layer.name}"
    group.mkdir(exist_ok=True)
    enter = NETWORK + "\n" + ENTER.format(base=lower, layer=layer, init=SYSTEMD if systemd else WAITING)
    spaces = ["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child"]
    # the kernel ends it with the test, however that ends
    command = ["setpriv", "--pdeathsig=KILL", "sh", "-c", 'echo $$ >"$0"/cgroup.procs && exec unshare "$@"', str(group), *spaces]
    with (layer / "said").open("wb") as said:
        process = subprocess.Popen(
            [*command, "sh", "-c", enter],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=said,
            env=environment({"container": "debian"}),
        )
    try:
        root = DebianRoot(_first_process(process, layer))
        if systemd:
            _wait_for_systemd(root)
        yield root
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.kill()
        process.wait()
        _remove(group)


def _wait_for_systemd(root: DebianRoot) -> None:
    """Until it has started what the base starts; "degraded" where some of that wants a machine of its own."""
    for _ in range(600):
        if root.run(["sh", "-c", "systemctl is-system-running 2>&1 || true"]).strip() in ("running", "degraded"):
            return
        time.sleep(0.1)
    raise AssertionError("systemd does not come to an end of its start")


def _control_groups() -> Path:
    """Where the host has the second version of control groups."""
    with open("/proc/self/mounts") as mounts:
        return next(Path(line.split()[1]) for line in mounts if line.split()[2] == "cgroup2")


def _remove(group: Path) -> None:
    """Remove a control group and those in it; what was in them has been killed and may take a moment to end."""
    for place in [*sorted(group.rglob("*/"), reverse=True), group]:
        for _ in range(200):
            try:
                place.rmdir()
                break
            except OSError:
                time.sleep(0.05)


def _first_process(process: "subprocess.Popen[bytes]", layer: Path) -> int:
    """Wait until it has entered the root; its pid."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, (layer / "said").read_text()
        for child in psutil.Process(process.pid).children():
            if (Path(f"/proc/{child.pid}/root/etc/debian_version")).exists() and not Path(f"/proc/{child.pid}/root{ROOT}").exists():
                return child.pid
        time.sleep(0.02)
    raise AssertionError((layer / "said").read_text())
