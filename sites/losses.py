"""Collect what a book loses while it is read, and name it in a line for each kind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

SHOWN = 5
"""Places that a line names; the others are counted."""
MAX_DETAIL = 80


class Loss(NamedTuple):
    """Something that the published site shows and the book does not."""

    kind: str
    """Noun and verb in the plural, such as `imports could not be found`."""
    place: str
    """File, with `:line` where it is known."""
    detail: str = ""
    """Which one, as the author wrote it."""
    pages: tuple[str, ...] = ()
    """Source paths of the pages that lack it; none if it concerns the whole site."""


class Losses:
    """The losses of one run. The same loss counts once."""

    def __init__(self) -> None:
        self.page = ""
        """Source path of the page that is being read, or ""."""
        self._found: dict[Loss, dict[str, None]] = {}

    def add(self, kind: str, place: str, detail: str = "") -> None:
        detail = " ".join(detail.split())
        if len(detail) > MAX_DETAIL:
            detail = detail[: MAX_DETAIL - 1] + "…"
        pages = self._found.setdefault(Loss(kind, place, detail), {})
        if self.page:
            pages[self.page] = None

    def merge(self, other: Losses) -> None:
        """Add the losses of another run."""
        for loss, pages in other._found.items():
            self._found.setdefault(loss, {}).update(pages)

    def clear(self) -> None:
        self._found.clear()

    def __iter__(self) -> Iterator[Loss]:
        return (loss._replace(pages=tuple(pages)) for loss, pages in self._found.items())


def sentences(losses: Iterable[Loss]) -> Iterator[tuple[str, str]]:
    """Yield (first place, sentence) for each kind of loss."""
    kinds: dict[str, list[Loss]] = {}
    for loss in losses:
        kinds.setdefault(loss.kind, []).append(loss)
    return ((losses[0].place, _sentence(kind, losses)) for kind, losses in kinds.items())


def _sentence(kind: str, losses: list[Loss]) -> str:
    named = [f"{loss.place}: {loss.detail}" if loss.detail else loss.place for loss in losses]
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    if len(losses) == 1:
        noun, _, rest = kind.partition(" ")
        kind = f"{noun.removesuffix('s')} {rest}"
        kind = kind.replace(" are ", " is ", 1).replace(" were ", " was ", 1)
    return f"{len(losses)} {kind}: {'; '.join(named[:SHOWN])}{more}."
