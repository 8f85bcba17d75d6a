"""What `telesink doctor` found: one finding for each check, with a next step where there is one."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class Status(enum.StrEnum):
    """How a check came out."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    #: It was not looked at, and the text says why.
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    Args:
        check: its name, which stays what it is: programs read it.
        status: how it came out.
        text: what was found, on one line, without secrets.
        next_step: what to do; empty if nothing.
        target: the destination that it is about, without secrets; empty if it is about the program.
        facts: the same for programs.
    """

    check: str
    status: Status
    text: str
    next_step: str = ""
    target: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Everything by name, for `--json`."""
        return {
            "check": self.check,
            "status": self.status.value,
            "text": self.text,
            "next_step": self.next_step,
            "target": self.target or None,
            "facts": dict(self.facts),
        }
