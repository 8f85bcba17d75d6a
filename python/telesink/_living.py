"""Objects that somebody still holds, and a list of them that is made in one step.

A ``WeakSet`` cannot be walked while other threads add to it.
"""

from __future__ import annotations

import weakref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    Held = TypeVar("Held")


def remember(known: dict[int, weakref.ref[Held]], one: Held) -> None:
    """Know the object for as long as anybody else holds it."""

    def forget(reference: weakref.ref[Held]) -> None:
        known.pop(id(reference), None)

    reference = weakref.ref(one, forget)
    # The number of the reference, which lives until it is taken out: that of the object may be given anew.
    known[id(reference)] = reference


def held(known: Mapping[int, weakref.ref[Held]]) -> list[Held]:
    """Those that are still held, oldest first."""
    # Copied first: no other Python code runs in the middle of that, with and without the interpreter's lock.
    found = [reference() for reference in list(known.values())]
    return [one for one in found if one is not None]
