"""What upstream makes of whole sounds, in the Python that has it: `python -m tests.workers.enhancing FOLDER IN.npz OUT.npz`.

IN.npz holds float32[n] by "NAME False" or, for the post filter, "NAME True"; OUT.npz what becomes of them, by the same keys.
That Python has the packages of the reference, not those of the tests: nothing else may be imported here.
"""

import sys
from pathlib import Path

import numpy as np

from workers.deepfilternet.upstream import load


def main() -> None:
    weights, given, out = map(Path, sys.argv[1:])
    made = {}
    with np.load(given) as sounds:
        for post_filter in (False, True):
            keys = [key for key in sounds.files if key.endswith(f" {post_filter}")]
            model = load(weights, post_filter) if keys else None
            made |= {key: model.enhance(sounds[key]) for key in keys if model}
    np.savez(out, **made)


if __name__ == "__main__":
    main()
