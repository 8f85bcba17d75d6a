"""Which records stay, and for how long."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from telesink import _native
from telesink.exceptions import ConfigError


@dataclasses.dataclass(frozen=True)
class Policy:
    """How long some records stay. Of several policies the first that fits a record decides.

    :param keep: how long: a ``timedelta``, or text with a unit, such as ``"30 days"`` or ``"12 h"``; None for
        ever.
    :param level: only this level, by its name. WARNING and WARN are one, and so are CRITICAL and FATAL.
    :param logger: only this logger, and those below it.
    :param table: only this table: ``logs``, ``spans`` or ``metrics``; with ``preset=chronicle`` ``runs``,
        ``steps`` or ``events``; with a ``TableMap`` its table. None for all. A policy with a level or logger
        is about no table without these.
    :raises ConfigError: `keep` is no length of time.

    >>> from telesink.retention import Policy
    >>> Policy("30 days", level="WARNING").seconds
    2592000.0
    """

    keep: str | timedelta | None
    _: dataclasses.KW_ONLY
    level: str | None = None
    logger: str | None = None
    table: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no length of time where it is written, not when the schedule says so."""
        _ = self.seconds
        named: dict[str, object] = {"level": self.level, "logger": self.logger, "table": self.table}
        for name, value in named.items():
            if value is not None and not (isinstance(value, str) and value):
                message = f"`{name}` is {value!r}; expected a name"
                raise ConfigError(message, f"leave `{name}` out for all of them")

    @property
    def seconds(self) -> float | None:
        """`keep` in seconds; None for ever."""
        keep: object = self.keep
        if keep is None:
            return None
        seconds = None
        if isinstance(keep, timedelta):
            seconds = keep.total_seconds()
        elif isinstance(keep, str) and any(character.isalpha() for character in keep):
            # A unit behind the number: "30" alone could be days to one and seconds to another.
            seconds = _native.parse_seconds(keep)
        if seconds is None or seconds < 0:
            message = f"`keep` is {keep!r}, which is no length of time"
            raise ConfigError(message, 'write "30 days", "12 h" or a timedelta; None keeps for ever')
        return seconds


#: By level: DEBUG a day, INFO a week, WARN a month, ERROR three; TRACE as DEBUG, FATAL as ERROR. Other
#: records stay. What systemprompt has as its defaults.
BY_LEVEL = (
    Policy("1 day", level="TRACE"),
    Policy("1 day", level="DEBUG"),
    Policy("7 days", level="INFO"),
    Policy("30 days", level="WARN"),
    Policy("90 days", level="ERROR"),
    Policy("90 days", level="FATAL"),
)
