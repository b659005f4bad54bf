"""Refuse what a request names and no route reads: an option that is ignored draws other pictures than were asked for."""

from collections import Counter
from collections.abc import Mapping, Sequence

from fastapi import Request

from gansample.errors import suggest
from gansample.http.errors import ApiError

ELSEWHERE: Mapping[str, str] = {
    "format": "the ending decides (42.webp), or of a grid the header Accept: image/webp",
    "n": "seeds=0-15 are sixteen pictures",
}
"""What people look for in a query, and where it is."""


async def check_query(request: Request) -> None:
    """A dependency of routes. Raises ApiError 422 for a parameter that this one does not have, or that is given twice."""
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known:
            hint = ELSEWHERE[name] if name in ELSEWHERE and "seeds" in known else _hint(name, known)
            raise ApiError(422, f"there is no parameter {name!r} here: {hint}", param=name)
        if times > 1:
            raise ApiError(422, f"{name} is given {times} times: give it once", param=name)


def _hint(name: str, known: Sequence[str]) -> str:
    return suggest(name, known) if known else "leave it out, this address takes none"
