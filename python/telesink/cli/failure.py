"""The one error of the command line: what went wrong, what to do, and the exit code."""

#: The command was understood but did not succeed.
FAILED_EXIT_CODE = 1

#: The command line itself has to be changed: the code that typer uses for its own errors, too.
USAGE_EXIT_CODE = 2

#: Ended by Ctrl+C: 128 and the number of SIGINT, as shells count.
INTERRUPTED_EXIT_CODE = 130


class CommandError(Exception):
    """A command that cannot go on.

    Args:
        message: what was attempted and what was found, on one line.
        hint: what to do; may have several lines.
        exit_code: the exit code of the process.
    """

    def __init__(self, message: str, *, hint: str = "", exit_code: int = FAILED_EXIT_CODE) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.exit_code = exit_code
