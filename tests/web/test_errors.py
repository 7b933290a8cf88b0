"""The classes of what is refused, and the codes that routes name."""

from collections.abc import Iterator
from typing import Any

from sfu.errors import Refused
from web.http import problems
from web.http.openapi import document
from web.routes import ROUTES

OF_AIOHTTP = {"upgrade_required"}


def classes(base: type[Refused] = Refused) -> Iterator[type[Refused]]:
    for each in base.__subclasses__():
        yield each
        yield from classes(each)


def test_a_code_has_one_class() -> None:
    """No two classes have the same code, and each has a text for people."""
    codes = [each.code for each in classes()]
    assert len(codes) == len(set(codes))
    assert all(each.__doc__ for each in classes())


def test_every_code_of_a_route_has_its_place() -> None:
    """What the routes' table names is the code of a class here, or one that the database or aiohttp refuses with."""
    known = {each.code for each in classes()} | set(problems.DETAILS) | set(problems.TROUBLES) | OF_AIOHTTP
    operations = [operation for path in document(ROUTES)["paths"].values() for operation in path.values()]
    named = {code for operation in operations for answer in operation["responses"].values() for code in _codes(answer)}
    assert len(named) > 20 and named <= known


def _codes(answer: dict[str, Any]) -> list[str]:
    """The codes of one answer; none where it is no problem."""
    problem = answer.get("content", {}).get("application/problem+json")
    found: list[str] = problem["schema"]["allOf"][1]["properties"]["code"]["enum"] if problem else []
    return found
