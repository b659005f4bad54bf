"""Refuse what a request names and no route reads: an option that is ignored draws other pictures than were asked for."""

from collections import Counter
from collections.abc import Mapping, Sequence

from fastapi import Request

from gansample.errors import suggest
from gansample.http.errors import ApiError

ELSEWHERE: Mapping[str, str] = {
    "format": "the ending decides, as in /v1/images/42.webp, or of a grid the header Accept: image/webp",
    "n": "/v1/images?seeds=0-15 is sixteen pictures",
}
"""What people look for in a query, and where it is."""


async def check_query(request: Request) -> None:
    """A dependency of routes. Raises ApiError 422 for a parameter that this one does not have, or that is given twice."""
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if name not in known:
            raise ApiError(422, f"there is no parameter {name!r} here: {_hint(request, name, known)}", param=name)
        if times > 1:
            raise ApiError(422, f"{name} is given {times} times: give it once", param=name)


def _hint(request: Request, name: str, known: Sequence[str]) -> str:
    if request.method == "POST":
        return "what is asked for stands in the JSON body"
    if not known:
        return "leave it out, this address takes none"
    return ELSEWHERE.get(name) or suggest(name, known)
