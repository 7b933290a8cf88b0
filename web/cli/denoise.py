"""`run.py denoise IN OUT`: gives `workers.files.main` the settings and becomes it. What was typed wins."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from workers import interrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 2 for a bad setting; else not at all."""
    from sfu.config.load import load
    from sfu.errors import ConfigError
    from web.serve import CONFIG_FILE  # which takes its time

    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config", type=Path, default=CONFIG_FILE)
    known, rest = parser.parse_known_args(arguments)
    try:
        config = load(known.config)
    except ConfigError as error:
        print(f"hushcast: {error}", file=sys.stderr)
        return 2
    with suppress(OSError):  # there already, or not to be made: a denoiser without a cache does without
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


# One thread a library: the model's own is the quickest for hops of this size, and the rest of the machine is somebody else's.
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "ORT_DISABLE_TELEMETRY"), "1")

if __name__ == "__main__":
    interrupt.leave_at_once()
    sys.exit(main())
