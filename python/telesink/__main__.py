"""The entry point of `telesink` and `python -m telesink`; without optional packages it says so."""

import sys

from telesink import __version__

#: The exit code for a command line that cannot be carried out as it was given.
USAGE_EXIT_CODE = 2


def main() -> int:
    """Run the command line of this process and return its exit code.

    Without the packages of the extra `cli` it says how to install them and returns 2.
    """
    if sys.argv[1:] in (["--version"], ["-V"]):
        sys.stdout.write(f"telesink {__version__}\n")
        return 0
    try:
        from telesink.cli.app import run
    except ModuleNotFoundError as error:
        # Only what others provide can be missing by choice; anything else is a broken installation.
        package = (error.name or "").partition(".")[0]
        if package == "telesink" or package in sys.stdlib_module_names:
            raise
        sys.stderr.write(
            f"telesink: the command line needs the package `{package}`, which is not installed\n"
            "  run: pip install 'telesink[cli]'\n"
        )
        return USAGE_EXIT_CODE
    return run()


if __name__ == "__main__":
    sys.exit(main())
