"""One pipeline for each destination, whoever of a program's providers sends there."""

from __future__ import annotations

import os
import threading
import time
import weakref

from telesink import _lifecycle, _native
from telesink._handler import dsns_or_default
from telesink._logging import process_wide
from telesink._pipeline import Pipeline, settled
from telesink._secret import hidden, hidden_options
from telesink.exceptions import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from telesink._settings import Settings


class Shared:
    """A pipeline and those who use it."""

    def __init__(self, pipeline: Pipeline, *, options: Mapping[str, Any], is_process_wide: bool) -> None:
        self.pipeline = pipeline
        self.signals = pipeline._signals  # noqa: SLF001 - the other half of the class
        self.options = dict(options)
        self.is_process_wide = is_process_wide
        self.users = 0
        self._deadline: float | None = None

    @property
    def is_closed(self) -> bool:
        """Whether somebody closed the pipeline, as `telesink.shutdown` does."""
        return self.pipeline._native.is_closed  # noqa: SLF001

    def settle(self, *, is_last: bool) -> None:
        """Let one user go: deliver what it brought, within one exit time-out for all users together."""
        if _lifecycle.is_past_last_flush():
            # Nobody flushes any more.
            _lifecycle.flush_at_exit()
            return
        if not threading.main_thread().is_alive():
            # The program is ending, and telesink's own hook comes after those of the providers: it drains all
            # pipelines side by side, under one deadline.
            return
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self.pipeline.settings.exit_timeout_seconds
        seconds = max(self._deadline - now, 0.0)
        if is_last and not self.is_process_wide:
            self.pipeline.close(seconds)
        elif self.pipeline.flush(seconds).complete:
            self._deadline = None


class _Registry:
    """What is open in this process."""

    def __init__(self) -> None:
        # Weak: a pipeline that nobody uses any more ends as any other that is forgotten.
        self.known: weakref.WeakValueDictionary[object, Shared] = weakref.WeakValueDictionary()
        self._lock = (_native.process_generation(), threading.RLock())

    @property
    def lock(self) -> threading.RLock:
        """Lets one user come or go at a time; the child of a fork has a lock of its own."""
        generation, lock = self._lock
        if generation != _native.process_generation():
            lock = threading.RLock()
            self._lock = (_native.process_generation(), lock)
        return lock


_registry = _Registry()


def is_used() -> bool:
    """Whether a processor or exporter of telesink is in use, for `telesink doctor`."""
    return any(shared.users for shared in list(_registry.known.values()))


class User:
    """One processor or exporter, as the pipeline that it shares sees it."""

    def __init__(
        self, dsn: str | Sequence[str] | None, settings: Settings | None, options: Mapping[str, Any]
    ) -> None:
        dsn, options = hidden(dsn), hidden_options(options)
        self.is_shut = False
        with _registry.lock:
            self.shared = _shared(dsn, settings, options)
            self.shared.users += 1

    def force_flush(self, timeout_millis: float | None) -> bool:
        """Wait until everything brought so far is settled; answer whether it is, within the time."""
        seconds = 30.0 if timeout_millis is None else max(timeout_millis, 0) / 1000
        return self.shared.pipeline.flush(seconds).complete

    def shutdown(self) -> None:
        """Take nothing more and deliver what is there. A second call does nothing."""
        with _registry.lock:
            if self.is_shut:
                return
            self.is_shut = True
            self.shared.users -= 1
            is_last = self.shared.users == 0
            if is_last:
                for key in [key for key, shared in _registry.known.items() if shared is self.shared]:
                    del _registry.known[key]
        self.shared.settle(is_last=is_last)


class Sharing:
    """What processors and exporters have in common, in front of the class of the SDK that each of them is."""

    _user: User

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline that everything goes to."""
        return self._user.shared.pipeline

    def force_flush(self, timeout_millis: float | None = 30_000) -> bool:
        """Wait until everything taken so far is settled, no longer than ``timeout_millis``."""
        return self._user.force_flush(timeout_millis)

    def shutdown(self) -> None:
        """Deliver what is there, within the exit time-out, and take nothing more. May be called again."""
        self._user.shutdown()


def _shared(dsn: str | Sequence[str] | None, settings: Settings | None, options: Mapping[str, Any]) -> Shared:
    given = {**(settings.as_dict() if settings is not None else {}), **options}
    pipeline = process_wide(dsn, settings, dict(options))
    if pipeline is not None:
        return _known("process", given) or _remember(
            "process", Shared(pipeline, options=given, is_process_wide=True)
        )
    dsns = dsns_or_default(dsn, console=False)
    base, own = settled(settings, None, options)
    key = frozenset(_native.dsn_identity(one, [], os.getcwd()) for one in dsns)
    found = _known(key, given)
    if found is not None:
        return found
    return _remember(key, Shared(Pipeline(dsns, settings=base, **own), options=given, is_process_wide=False))


def _remember(key: object, shared: Shared) -> Shared:
    _registry.known[key] = shared
    return shared


def _known(key: object, given: Mapping[str, Any]) -> Shared | None:
    """What is open already under this key; refuses other settings for it."""
    found = _registry.known.get(key)
    if found is None or found.is_closed:
        return None
    if key == "process" and found.pipeline is not _lifecycle.shared_pipeline():
        return None
    for name, value in given.items():
        if not found.is_process_wide and found.options.get(name) != value:
            raise ConfigError(
                f"the destination is open already, with another `{name}`",
                "give the same options to all processors and exporters of one DSN, or put them into the DSN",
            )
    return found
