"""How a command ends: with an exit code and a line that says why, whatever has happened."""

import contextlib
import os
import threading
from collections.abc import Callable

import typer

import telesink
from telesink._secret import shown_path, shown_text
from telesink.cli import output
from telesink.cli.failure import FAILED_EXIT_CODE, INTERRUPTED_EXIT_CODE, USAGE_EXIT_CODE, CommandError
from telesink.cli.render import escaped
from telesink.cli.target import command_error_of

#: How long sinks of a program may take whose threads would go on.
SHUTDOWN_SECONDS = 5.0


def code_of(command: Callable[[], None]) -> int:
    """Run a command, say why it failed, and return its exit code. Nothing but a defect of ours is raised."""
    try:
        return _run(command)
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE
    except BrokenPipeError:
        # Whoever read has seen enough.
        return 0
    except (CommandError, telesink.TelesinkError, MemoryError, UnicodeError, OSError) as error:
        return _tell(_command_error(error))


def end_with_threads(code: int) -> None:
    """End the process here if threads of a program that `doctor` has loaded would keep it alive."""
    output.put_back()
    own = (threading.main_thread(), threading.current_thread())
    if all(thread.daemon or thread in own for thread in threading.enumerate()):
        return
    telesink.shutdown(SHUTDOWN_SECONDS)
    # What the program has printed is not written by anybody else.
    output.put_back()
    os._exit(code)


def _run(command: Callable[[], None]) -> int:
    code = 0
    try:
        command()
    except typer.Exit as end:
        code = end.exit_code
    # What cannot be written any more has to be known before the exit code is.
    output.flush()
    return code


def _command_error(error: Exception) -> CommandError:
    if isinstance(error, CommandError):
        return error
    if isinstance(error, telesink.TelesinkError):
        return command_error_of(error)
    if isinstance(error, UnicodeError):
        return _about_text(error)
    if isinstance(error, OSError):
        return _about_system(error)
    return CommandError("there is not enough memory for this")


def _tell(error: CommandError) -> int:
    """Say what went wrong and what to do."""
    # What cannot be written is known by then: an error of its own, or thrown away.
    with contextlib.suppress(OSError):
        output.flush()
    output.say(f"telesink: {escaped(shown_text(error.message))}")
    for line in error.hint.splitlines():
        output.say(f"  {escaped(shown_text(line))}")
    return error.exit_code


def _about_text(error: UnicodeError) -> CommandError:
    why = error.reason if isinstance(error, (UnicodeEncodeError, UnicodeDecodeError)) else "wrong encoding"
    hint = "rename it, or name it by a path that is UTF-8"
    return CommandError(f"a name is no text in UTF-8: {why}", hint=hint, exit_code=USAGE_EXIT_CODE)


def _about_system(error: OSError) -> CommandError:
    why = error.strerror or type(error).__name__
    if error is output.failure():
        return CommandError(f"could not write the output: {why}", exit_code=FAILED_EXIT_CODE)
    if error.filename is not None:
        return CommandError(f"{shown_path(error.filename)}: {why}")
    if isinstance(error, FileNotFoundError) and not _has_folder():
        message = "the working directory does not exist any more"
        return CommandError(message, hint="change into one that does", exit_code=USAGE_EXIT_CODE)
    return CommandError(f"the system refused: {why}")


def _has_folder() -> bool:
    try:
        os.getcwd()
    except OSError:
        return False
    return True
