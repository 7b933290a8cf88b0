"""How long the server takes to answer, by route, and the database, by what is asked of it."""

import time
from collections.abc import Iterator

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from sfu.histogram import Histogram
from web.http.metrics import Distribution
from web.logs.request_ids import begin_request

BOUNDS_S = (0.001, 0.0025, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
UPGRADED, SOCKETS = 101, "/ws/"
NO_ROUTE, OTHER_METHOD, GONE = "none", "other", "gone"


class RequestTimes:
    """A histogram for each route, method and class of status that there was. Bounded by the table of routes.

    A WebSocket is not counted: it lasts as long as somebody is there. A client that goes away before the answer is `gone`.
    """

    def __init__(self) -> None:
        self.database = {deed: Histogram(BOUNDS_S) for deed in ("read", "write")}
        self._routes: dict[tuple[str, str, str], Histogram] = {}

    def count(self, request: web.Request, status: int | None, seconds: float) -> None:
        """status: None where nobody was there any more to get one."""
        resource = request.match_info.route.resource
        route = NO_ROUTE if resource is None else resource.canonical.rstrip("/") or "/"
        method = request.method if request.method in hdrs.METH_ALL else OTHER_METHOD
        key = route, method, GONE if status is None else f"{status // 100}xx"
        if not (status == UPGRADED or (status is None and route.startswith(SOCKETS))):
            self._routes.setdefault(key, Histogram(BOUNDS_S)).observe(seconds)

    def samples(self) -> Iterator[Distribution]:
        """For /metrics."""
        for (route, method, status), histogram in self._routes.items():
            labels = {"route": route, "method": method, "status": status}
            yield Distribution("hushcast_request_seconds", "From a request's head to the end of its answer.", histogram, labels)
        for deed, histogram in self.database.items():
            yield Distribution("hushcast_database_seconds", "From asking the database to its answer.", histogram, {"deed": deed})


REQUEST_TIMES = web.AppKey("REQUEST_TIMES", RequestTimes)


@web.middleware
async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give each request its id, and measure its answer. The outermost middleware."""
    began, status = time.monotonic(), None
    begin_request(request)
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as answer:
        status = answer.status
        raise
    finally:
        request.app[REQUEST_TIMES].count(request, status, time.monotonic() - began)
