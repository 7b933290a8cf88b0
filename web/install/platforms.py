"""Refuses systems for which there are no packages, in one line, before anything is fetched."""

from __future__ import annotations

import os
import platform
import sys

MACHINES = {"linux": ("x86_64", "aarch64"), "darwin": ("arm64",)}
GLIBC = (2, 28)  # of manylinux_2_28, the newest that a wheel in the locks needs
MACOS = (26, 0)  # of pyrnnoise's wheels


def unusable() -> str:
    """Why this machine cannot install Hushcast, and what to do; "" where it can."""
    return refused(
        sys.platform, platform.machine(), sys.maxsize > 2**32, _libc() if sys.platform == "linux" else f"macOS {platform.mac_ver()[0]}"
    )


def refused(system: str, machine: str, is_64_bit: bool, libc: str) -> str:
    """The same for any machine. libc: "glibc 2.36", or "" where it is another C library; on macOS "macOS 26.1"."""
    if system not in MACHINES:
        return f"Hushcast runs on Linux and macOS, not on {system}: take a machine, virtual machine or container with Linux"
    if not is_64_bit:
        return "this Python is a 32-bit program, and the packages are 64-bit only: start run.py with a 64-bit Python on a 64-bit system"
    if machine not in MACHINES[system]:
        return f"there are packages for {' and '.join(MACHINES[system])} only, and this machine is {machine}: take one of those"
    if system == "linux" and not libc:
        return "the packages need glibc, and this system has another C library (musl?): take Debian or Ubuntu, or a container of one"
    if system == "linux" and _numbers(libc) < GLIBC:
        return f"the packages need glibc {GLIBC[0]}.{GLIBC[1]}, and this system has {libc}: take a newer release, or a container of one"
    if system == "darwin" and _numbers(libc) < MACOS:
        return f"the packages need macOS {MACOS[0]}, and this is {libc}: update it, or take a virtual machine with Linux"
    return ""


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return ""


def _numbers(libc: str) -> tuple[int, ...]:
    digits = libc.split()[-1].split(".")[:2]
    return tuple(int(part) for part in digits if part.isdigit())
