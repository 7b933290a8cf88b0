"""Makes structs of bodies, queries and messages; the error names every wrong and every unknown field. Pure.

msgspec's `convert` stops at the first error, so each field is read separately: by the reader named in its `Meta`, else by its type.
"""

from collections.abc import Callable, Mapping
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, UNSET, Meta, UnsetType

from web.errors import BadRequest
from web.http.shapes import Body, ClientMessage, Invalid, Query, text

B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Query)
M = TypeVar("M", bound=ClientMessage)
MOST_TOLD, LONGEST_NAME = 20, 100  # unknown fields in an error, and characters of a name: limits the answer's length
FLAGS = {"1": True, "true": True, "0": False, "false": False}

Reader = Callable[[Any, Meta], Any]


class Field(NamedTuple):
    """How one field is read. default: NODEFAULT for a required field, UNSET where a missing value and null differ."""

    name: str
    read: Callable[[Any], Any]
    default: Any
    must_be_given: bool  # else the reader gets None for a missing value and says what is expected

    def value(self, given: Mapping[str, Any]) -> Any:
        """The field's value. Raises Invalid."""
        value = given.get(self.name)
        if value is None and self.default is UNSET:
            return None if self.name in given else UNSET
        if value is None and self.default is not NODEFAULT:
            return self.default
        if self.must_be_given and self.name not in given:
            raise Invalid("is missing")
        return self.read(value)


def body_from(kind: type[B], given: Mapping[str, Any]) -> B:
    """The struct that a JSON object holds. Raises BadRequest, which names every field that is wrong or unknown."""
    fields = _fields(kind, is_query=False)
    values, errors = _values(fields, given)
    known = {field.name for field in fields}
    for name in [name for name in given if name not in known][:MOST_TOLD]:
        errors.setdefault(name[:LONGEST_NAME].encode("utf-8", "replace").decode(), "is not known here")
    if errors:
        raise BadRequest(errors)
    return kind(**values)


def query_from(kind: type[Q], given: Mapping[str, str]) -> Q:
    """The struct that a query holds; an empty parameter counts as missing. Raises BadRequest, which names every wrong parameter."""
    values, errors = _values(_fields(kind, is_query=True), {name: value for name, value in given.items() if value})
    if errors:
        raise BadRequest(errors)
    return kind(**values)


def message_from(kind: type[M], given: Mapping[str, Any]) -> M:
    """The struct that a message's data holds. Raises BadRequest, which names every wrong field."""
    values, errors = _values(_fields(kind, is_query=False), given)
    if errors:
        raise BadRequest(errors)
    return kind(**values)


def _values(fields: tuple[Field, ...], given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for field in fields:
        try:
            values[field.name] = field.value(given)
        except Invalid as invalid:
            errors[field.name] = str(invalid)
    return values, errors


@cache
def _fields(kind: type[msgspec.Struct], *, is_query: bool) -> tuple[Field, ...]:
    return tuple(_field(field, QUERY_READERS if is_query else READERS) for field in msgspec.structs.fields(kind))


def _field(field: msgspec.structs.FieldInfo, readers: Mapping[Any, Reader]) -> Field:
    wanted, meta = _plain(field.type), Meta()
    if get_origin(wanted) is Annotated:
        wanted, meta = get_args(wanted)
    own = (meta.extra or {}).get("read")
    if own is None and get_origin(wanted) is list:
        own = partial(_choices, get_args(get_args(wanted)[0]))
    elif own is None and get_origin(wanted) is Literal:
        own = partial(_choice, get_args(wanted))
    read: Reader = own or readers[wanted]
    return Field(field.name, lambda value: read(value, meta), field.default, wanted in (str, Any))


def _plain(wanted: Any) -> Any:
    """The type without its `| None`."""
    if get_origin(wanted) not in (Union, UnionType):
        return wanted
    (only,) = (each for each in get_args(wanted) if each not in (NoneType, UnsetType))
    return only


def _anything(value: Any, _: Meta) -> Any:
    return value


def _truth(value: Any, _: Meta) -> bool:
    if not isinstance(value, bool):
        raise Invalid("must be true or false")
    return value


def _number(value: Any, meta: Meta) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (meta.ge or 0) <= value <= (meta.le or 0):
        raise Invalid(f"must be a number from {meta.ge:g} to {meta.le:g}")
    return value


def _count(value: Any, meta: Meta) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not (meta.ge or 0) <= value <= (meta.le or 0):
        raise Invalid(f"must be a whole number from {meta.ge} to {meta.le}")
    return value


def _choice(known: tuple[str, ...], value: Any, _: Meta) -> str:
    if not isinstance(value, str) or value not in known:
        raise Invalid(f"must be one of {', '.join(known)}")
    return value


def _choices(known: tuple[str, ...], value: Any, _: Meta) -> list[str]:
    """The given words, each once, in the order of `known`."""
    if not isinstance(value, list) or not value or not all(isinstance(word, str) and word in known for word in value):
        raise Invalid(f"must be a list of {', '.join(known)}")
    return [word for word in known if word in value]


def _flag(value: str, _: Meta) -> bool:
    if value.lower() not in FLAGS:
        raise Invalid("must be 0 or 1")
    return FLAGS[value.lower()]


def _digits(value: str, meta: Meta) -> int:
    """A whole number in decimal digits, at most as many as a 64-bit number has."""
    return _count(int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None, meta)


READERS: Mapping[Any, Reader] = {str: text, bool: _truth, float: _number, int: _count, Any: _anything}
QUERY_READERS: Mapping[Any, Reader] = {str: text, bool: _flag, int: _digits}
