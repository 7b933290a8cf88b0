"""schemathesis asks a real server whatever the document allows, and what it does not: no fault of the server, no undocumented answer."""

import asyncio
from collections import Counter
from typing import Any, NamedTuple

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conftest import StartServer
from tests.support.people import PASSWORD
from tests.web.interface import interface

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
TEXTS = ("application/sdp", "application/trickle-ice-sdpfrag")


@schemathesis.serializer(*TEXTS)
def as_text(_: object, value: object) -> bytes:
    """Bodies that are no JSON, as they are."""
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


class Asked(NamedTuple):
    """What came of it: statuses of each operation, and what was not as the document says."""

    statuses: Counter[tuple[str, int]]
    wrong: list[str]


def campaign(url: str, examples: int) -> Asked:
    """Ask every operation so many times in each mode, as a user who has a friend. Blocks."""
    asked = Asked(Counter(), [])
    with requests.Session() as bob, requests.Session() as ada:
        signed_in(bob, url, "register", "bob")
        signed_in(ada, url, "register", "ada")
        befriended(ada, bob, url)
        document = requests.get(f"{url}/api/openapi.json", timeout=10).json()
        for found in schemathesis.openapi.from_dict(document).get_all_operations():
            for mode in modes(document, found.ok().label):
                ask_all(found.ok(), mode, examples, ada, asked)
                if ada.get(f"{url}/api/me", timeout=10).status_code == 401:  # it has signed out
                    signed_in(ada, url, "login", "ada")
    return asked


def modes(document: dict[str, Any], label: str) -> list[GenerationMode]:
    """As the document allows; and as it does not, where a query or a body could be wrong. Of a text in a path all is allowed."""
    method, _, path = label.partition(" ")
    operation = document["paths"][path][method.lower()]
    places = {each["in"] for each in operation.get("parameters", ())} | ({"body"} if "requestBody" in operation else set())
    return [GenerationMode.POSITIVE, *([GenerationMode.NEGATIVE] if places & {"query", "body"} else [])]


def ask_all(operation: Any, mode: GenerationMode, examples: int, session: requests.Session, asked: Asked) -> None:
    """Ask one operation. Every second time the friend is meant where a name is in the path."""
    turn = iter(range(1_000_000))

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        if "username" in (case.path_parameters or {}) and next(turn) % 2:
            case.path_parameters["username"] = "bob"
        response = case.call(
            base_url=session.headers["Origin"], session=session, headers={"Origin": str(session.headers["Origin"])}, timeout=30
        )
        asked.statuses[operation.label, response.status_code] += 1
        try:
            case.validate_response(response, checks=CHECKS)
        except (Failure, FailureGroup) as failure:
            asked.wrong.append(f"{operation.label}: {response.status_code} {response.text[:200]!r}: {failure}")

    ask()


def signed_in(session: requests.Session, url: str, way: str, name: str) -> None:
    session.headers["Origin"] = url
    session.cookies.clear()
    assert session.post(f"{url}/api/{way}", json={"username": name, "password": PASSWORD}, timeout=30).ok


def befriended(one: requests.Session, other: requests.Session, url: str) -> None:
    for session, name in ((one, "bob"), (other, "ada")):
        assert session.post(f"{url}/api/friend-request/send", json={"username": name}, timeout=10).ok


async def held(server: StartServer, examples: int) -> Counter[tuple[str, int]]:
    """A campaign against a server of its own. Returns the statuses of each operation."""
    running = await server()
    asked = await asyncio.to_thread(campaign, running.url, examples)
    assert not asked.wrong, "\n\n".join(asked.wrong[:5])
    assert "Traceback" not in running.log
    return asked.statuses


async def test_a_few_of_any_request(server: StartServer) -> None:
    """Each operation, some times: all are answered as the document says, some of them well."""
    statuses = await held(server, 2)
    assert {label for label, _ in statuses} == labels()
    assert sum(count for (_, status), count in statuses.items() if status < 300) > 100


@pytest.mark.slow
async def test_many_of_any_request(server: StartServer) -> None:
    """The same at length: `python3 run.py test -m slow tests/web/test_any_request.py`."""
    await held(server, 60)


def labels() -> set[str]:
    """Method and path of each operation of the document."""
    return {f"{method.upper()} {path}" for path, operations in interface()["paths"].items() for method in operations}
