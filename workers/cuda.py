"""`python -m workers.cuda`: whether torch can use CUDA here. Exit 0, or 1 and one line that says why not. For a child: torch is heavy."""

import sys


def main() -> int:
    import torch

    if torch.cuda.is_available():
        return 0
    print(f"torch {torch.__version__} finds no CUDA", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
