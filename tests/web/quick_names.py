"""The server, which looks names up ten times as often: host_names.py runs it in the place of web.serve."""

import sys

from web import serve
from web.http import announced

announced.AGAIN_S, announced.FRESH_S = 1.0, 3.0

if __name__ == "__main__":
    sys.exit(serve.main())
