"""Asking a destination what takes long: by a thread, so that Ctrl+C ends it and a terminal sees it live."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from rich.console import Console

from telesink import _native

Answer = TypeVar("Answer")

#: How often a terminal is told how long it takes.
LOOK_SECONDS = 0.1

#: How long the destination may take to end what it was asked.
END_SECONDS = 5.0


def asked(inspection: _native.Inspection, ask: Callable[[], Answer]) -> Answer:
    """Return what `ask` answers, which asks `inspection`; whatever it raises is raised here."""
    answer: list[Answer] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            answer.append(ask())
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            failure.append(error)

    asking = threading.Thread(target=work, name="telesink-asking", daemon=True)
    console = Console(stderr=True, highlight=False, markup=False, emoji=False)
    begin = time.monotonic()
    try:
        with console.status("connecting") as status:
            asking.start()
            while asking.is_alive():
                asking.join(LOOK_SECONDS)
                status.update(f"{inspection.doing}  {time.monotonic() - begin:,.0f} s")
    except KeyboardInterrupt:
        inspection.interrupt()
        # The interpreter must not end while a thread is about to come back to it.
        if asking.is_alive():
            asking.join(END_SECONDS)
        raise
    if failure:
        raise failure[0]
    return answer[0]
