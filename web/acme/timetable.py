"""When a certificate is renewed, and when the next try is made after a failure. No clock: times are arguments, Unix seconds.

An authority allows few tries: Let's Encrypt five refused ones an hour for a name, and five certificates a week for the same names.
"""

from collections.abc import Sequence

AWAY_S = (60, 120, 300, 900, 1800, 3600)  # after so many failures in a row of an authority that does not answer
REFUSED_S = (60, 900, 1800, 3600, 7200, 14_400, 28_800, 43_200)  # of one that says no; the second try is of the other challenge
JITTER = 0.25  # of a wait, at most, so that servers which failed together do not come back together
MOST_REFUSED, HOUR_S, DAY_S = 4, 3600, 86_400
LONGEST_S = 7 * DAY_S  # that an authority's own wish is followed for
LEFT = 1 / 3  # of a certificate's life, when it is renewed
LEAST_LEFT = 1 / 6  # at the latest, whatever the authority suggests


def wait_s(failures: int, *, refused: bool, chance: float) -> float:
    """Seconds from a failure, the `failures`-th in a row, to the next try. chance: 0-1."""
    waits = REFUSED_S if refused else AWAY_S
    return waits[min(max(failures, 1), len(waits)) - 1] * (1 + JITTER * chance)


def soonest(refusals: Sequence[float], wished: float, now: float) -> float:
    """When a try is allowed at the earliest, also one that somebody asks for. wished: the authority's own earliest time, or 0."""
    lately = sorted(at for at in refusals if now - HOUR_S < at <= now)
    room = now if len(lately) < MOST_REFUSED else lately[-MOST_REFUSED] + HOUR_S
    return max(room, min(wished, now + LONGEST_S), now)


def renewal_at(begins: float, ends: float, suggested: float | None = None) -> float:
    """When a certificate is renewed. suggested: by the authority (ARI, RFC 9773); a new certificate is not replaced for it."""
    life = ends - begins
    if suggested is None:
        return ends - LEFT * life
    return min(max(suggested, begins + min(DAY_S, life / 2)), ends - LEAST_LEFT * life)
