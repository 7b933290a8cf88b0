"""`run.py denoise IN OUT`: turns the settings into options of `workers.files.main` and execs it. Options that were typed win."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from workers import interrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 2 for a bad setting; otherwise it does not return."""
    from sfu.config.errors import ConfigError
    from sfu.config.load import load
    from web.serve import CONFIG_FILE  # slow to import

    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=CONFIG_FILE)
    known, rest = parser.parse_known_args(arguments)
    try:
        config = load(known.config)
    except ConfigError as error:
        print(f"hushcast: {error}", file=sys.stderr)
        return 2
    with suppress(OSError):  # it exists, or cannot be made: denoisers work without a cache
        config.storage.path.mkdir(mode=0o700)
    models, denoise = config.models, config.denoise
    given = [f"--models={folder}" for folder in models.path] + [f"--url={models.url}", f"--cache={config.storage.path / 'cache'}"]
    given += ["--download"] * models.download
    given += [f"--denoiser={denoise.default}", f"--device={denoise.device}"]
    given += [f"--chunk-s={denoise.chunk_s}", f"--overlap-s={denoise.overlap_s}"]
    given += ["--post-filter"] * denoise.post_filter
    sys.stdout.flush()
    interrupt.hold()
    os.execve(sys.executable, [sys.executable, "-P", "-m", "workers.files.main", *given, *rest], {**os.environ, **_ONE_THREAD})


# One thread for each library: more make hops of 10 ms slower, and take cores from other programs.
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ORT_DISABLE_TELEMETRY"), "1")

if __name__ == "__main__":
    interrupt.leave_at_once()
    sys.exit(main())
