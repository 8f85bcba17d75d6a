"""Which destination a command line names, and what its errors mean for the exit code."""

import os
import re
from pathlib import Path
from urllib.parse import quote

import telesink
from telesink._secret import has_surrogate
from telesink.cli.failure import USAGE_EXIT_CODE, CommandError
from telesink.cli.reading import SCHEME, database_path

#: libpq's keyword form, `host=db dbname=app`.
KEYWORDS = re.compile(r"\s*\w+\s*=")


def dsn_of(target: str, *, must_exist: bool = True) -> str:
    """Return the DSN of a destination that was named by its DSN or by the path of a file that exists.

    Args:
        target: what stands on the command line.
        must_exist: whether a DSN, too, has to name a file that is there.

    Raises:
        CommandError: there is no such file.
    """
    text = target.strip()
    found = SCHEME.match(text)
    is_file = found[1].lower() == "sqlite" if found else not KEYWORDS.match(text) or Path(text).exists()
    if has_surrogate(text) and not is_file:
        message = "the DSN is no text in UTF-8"
        raise CommandError(message, hint="write it in UTF-8", exit_code=USAGE_EXIT_CODE)
    if not is_file:
        return text
    hint = "name the file that a program with telesink writes, or a DSN"
    try:
        path = database_path(text)
    except CommandError as error:
        # Its hints are about reading.
        raise CommandError(error.message, hint=hint, exit_code=error.exit_code) from error
    if not path.is_file() and (must_exist or path.is_dir()):
        what = f"{path} is a directory" if path.is_dir() else f"there is no file {path}"
        raise CommandError(what, hint=hint, exit_code=USAGE_EXIT_CODE)
    return text if found else f"sqlite:///{quote(os.fsencode(path.absolute()))}"


def command_error_of(error: telesink.TelesinkError) -> CommandError:
    """Say what an error of the library means for a command: a wrong DSN has to be changed on its line."""
    if isinstance(error, telesink.ConfigError):
        return CommandError(error.message, hint=error.hint, exit_code=USAGE_EXIT_CODE)
    return CommandError(error.message, hint=error.hint)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
