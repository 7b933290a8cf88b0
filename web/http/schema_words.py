"""A JSON schema of one of our structs in words; names and values stand in backticks. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

USUAL = {"string": "text", "boolean": "true or false"}


def in_words(schema: Mapping[str, Any], of: Callable[[str], str]) -> str:
    """What the schema allows. of: the words for the struct of that name."""
    match schema:
        case {"$ref": reference}:
            return of(reference.rpartition("/")[2])
        case {"anyOf": kinds}:
            return " or ".join(in_words(kind, of) for kind in kinds)
        case {"enum": values}:
            return " or ".join(f"`{value}`" for value in values)
        case {"const": value}:
            return f"`{value}`"
        case {"type": "array", "items": items}:
            return f"list of {in_words(items, of)}"
        case {"type": "string", "maxLength": most}:
            return f"text of {schema.get('minLength', 0)} to {most} characters"
        case {"type": "string", "format": "date-time"}:
            return "time"
        case {"type": kind}:
            return f"{USUAL.get(kind, kind)}{_bounds(schema)}"
    return "any JSON value"


def _bounds(schema: Mapping[str, Any]) -> str:
    names = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}", "exclusiveMaximum": "below {}"}
    return "".join(f" {words.format(schema[name])}" for name, words in names.items() if name in schema)
