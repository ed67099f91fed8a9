"""Pages of a list by key: a page says what stands for `after` in the request for the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from scanner.service.web.problems import Invalid, ProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeVar

    T = TypeVar("T")

Limit = Annotated[int, Meta(ge=1, le=1000, description="how many at most")]
After = Annotated[
    str,
    Meta(
        max_length=1000,
        pattern=r"^[A-Za-z0-9_.:-]*$",
        description="`next` of the page before; what stands behind it is given",
    ),
]


def bad_cursor() -> ProblemError:
    """Raised for a cursor that no page of this list gave."""
    detail = (
        "no page of this list gave it; write `next` of the page before, with all other parameters as there"
    )
    return ProblemError(422, f"after: {detail}", [Invalid(name="after", detail=detail)])


def behind(
    everything: Sequence[T], name_of: Callable[[T], str], limit: int, after: str
) -> tuple[list[T], str]:
    """Of things in an order that stays, those behind the one of this name, and the name that the next page
    begins behind, "" where this is the last. Raises `ProblemError`."""
    begin = 0
    if after:
        found = next((place for place, each in enumerate(everything) if name_of(each) == after), None)
        if found is None:
            raise bad_cursor()
        begin = found + 1
    some = list(everything[begin : begin + limit])
    return some, name_of(some[-1]) if some and begin + limit < len(everything) else ""
