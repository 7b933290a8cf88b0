"""The processor that figures are of: voices a core differ by half between AVX2 and AVX-512."""

import platform
from pathlib import Path

# Of /proc/cpuinfo, and what people call them; those that a matrix product or a Fourier transform takes.
_X86 = {
    "avx": "AVX",
    "avx2": "AVX2",
    "fma": "FMA",
    "f16c": "F16C",
    "avx_vnni": "AVX-VNNI",
    "avx512f": "AVX-512F",
    "avx512bw": "AVX-512BW",
    "avx512_vnni": "AVX-512 VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "amx_tile": "AMX",
    "amx_bf16": "AMX BF16",
    "amx_int8": "AMX INT8",
}
_ARM = {"asimd": "NEON", "asimdhp": "FP16", "asimddp": "DOT", "sve": "SVE", "sve2": "SVE2", "i8mm": "I8MM", "bf16": "BF16", "sme": "SME"}
CPUINFO = Path("/proc/cpuinfo")


def told(cpuinfo: Path = CPUINFO) -> str:
    """Its model and its instruction sets, in a line: "AMD EPYC (AVX, AVX2, FMA)"."""
    try:
        lines = [line.partition(":") for line in cpuinfo.read_text(errors="replace").splitlines()]
    except OSError:
        lines = []
    said = {name.strip(): value.strip() for name, _, value in reversed(lines)}  # of the first core
    names = {**_X86, **_ARM}
    flags = set((said.get("flags") or said.get("Features") or "").split())
    sets = [name for flag, name in names.items() if flag in flags]
    model = said.get("model name") or said.get("Model") or platform.machine()
    return f"{model} ({', '.join(sets) or 'instruction sets not known'})"
