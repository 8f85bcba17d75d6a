"""Runs `telesink doctor`, and reads its report."""

import json

from command_line import telesink

#: Must never be seen in any output.
CANARY = "hunter2-canary"


def doctor(*arguments, **options):
    """Run it; answer the exit code and the findings by the names of their checks."""
    result = telesink("doctor", *arguments, "--json", **options)
    assert result.stdout.startswith("{"), result.stderr
    report = json.loads(result.stdout)
    assert report["exit_code"] == result.returncode
    return result.returncode, {one["check"]: one for one in report["checks"]}


def status(found, check):
    return found[check]["status"], found[check]["text"], found[check]["next_step"]
