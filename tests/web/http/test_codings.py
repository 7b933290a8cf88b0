"""Which coding an Accept-Encoding header prefers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.http.codings import IDENTITY, best_coding

OFFERED = ("br", "gzip")


@pytest.mark.parametrize(
    ("accepted", "best"),
    [
        ((), IDENTITY),
        (("",), IDENTITY),
        (("gzip, deflate, br, zstd",), "br"),
        (("gzip", "br"), "br"),
        (("gzip, deflate",), "gzip"),
        (("GZIP",), "gzip"),
        (("br;q=0, gzip",), "gzip"),
        (("br; q=0.1, gzip ;q=0.2",), "gzip"),
        (("br;q=0.5, identity",), IDENTITY),
        (("identity;q=0.5, *;q=0",), IDENTITY),
        (("*",), "br"),
        (("br;q=0, *",), "gzip"),
        (("*;q=0",), IDENTITY),
        (("br;q=2, gzip;q=x, deflate",), IDENTITY),
        (("abr, gzipped",), IDENTITY),
    ],
)
def test_the_preferred_coding(accepted: tuple[str, ...], best: str) -> None:
    """The highest weight wins, br before gzip; what is refused or malformed is not chosen."""
    assert best_coding(accepted, OFFERED) == best


@given(st.lists(st.text()))
def test_any_header_has_an_answer(accepted: list[str]) -> None:
    """Whatever a header says, one of the codings that are there is chosen."""
    assert best_coding(accepted, OFFERED) in (*OFFERED, IDENTITY)
