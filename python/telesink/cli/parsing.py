"""The command line is read: an error of it is told without what may be a password."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from typer.core import TyperGroup

from telesink._redaction import native_set

#: Behind it stands what the user has written: of `host=db password=...` without quotes the second part.
_EXTRA = re.compile(r"(unexpected extra argument\S*) \(.*", re.DOTALL)


class Commands(TyperGroup):
    """The commands; errors of theirs hide passwords, and so do errors of reading them."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read what stands before the command."""
        with _without_secrets():
            return super().make_context(*arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Read what stands behind the command, and run it."""
        with _without_secrets():
            return super().invoke(ctx)


@contextmanager
def _without_secrets() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # An error of the parser, which is one of click's or of typer's, by the version.
        message = getattr(error, "message", None)
        if hasattr(error, "format_message") and isinstance(message, str):
            vars(error)["message"] = told(message)
        raise


def told(message: str) -> str:
    """Return a message about a command line without what may be a password."""
    cut = _EXTRA.sub(r"\1; a DSN with spaces stands in quotes", message)
    return native_set(True).redact_text(cut)
