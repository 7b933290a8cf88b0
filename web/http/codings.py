"""Content codings (RFC 9110 §8.4.1): which one an Accept-Encoding header prefers."""

import re
from collections.abc import Iterable, Sequence

IDENTITY = "identity"
_ITEM = re.compile(r"([!#$%&'*+.^_`|~0-9a-z-]+)(?:[ \t]*;[ \t]*q[ \t]*=[ \t]*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?))?")


def best_coding(accepted: Iterable[str], offered: Sequence[str]) -> str:
    """The offered coding with the highest weight, the earlier one of two equals; `identity` if none is accepted or it weighs more.

    accepted: the values of Accept-Encoding, none if there is no such header. Malformed items are ignored.
    """
    items = (_ITEM.fullmatch(item.strip().lower()) for value in accepted for item in value.split(","))
    weights = {item[1]: float(item[2] or 1) for item in items if item is not None}
    best = max(offered, key=lambda coding: weights.get(coding, weights.get("*", 0.0)), default=IDENTITY)
    weight = weights.get(best, weights.get("*", 0.0))
    return best if weight > 0 and weight >= weights.get(IDENTITY, 0.0) else IDENTITY
