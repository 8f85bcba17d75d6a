"""What is hidden in records before they leave the calling thread."""

from __future__ import annotations

from telesink import _native
from telesink._frozen import Frozen
from telesink.exceptions import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


class Redaction(Frozen):
    """Names, patterns and exact values to hide: they become ``[REDACTED]``, but numbers and booleans never.

    :param names: attribute names whose values are hidden, at every depth, in any case: ``word`` hides names
        that contain it, ``*word`` names that end with it, ``=word`` that very name.
    :param patterns: regular expressions for free text (linear time; group 1 is hidden if there is one, else
        the whole match).
    :param secrets: exact values to hide wherever they stand.
    :param keep: exact names that are never hidden.
    :param defaults: whether telesink's own names and patterns are part of the set.
    :raises ConfigError: a pattern is no regular expression, or a text stands where several are meant.

    >>> import telesink
    >>> telesink.Redaction(names=["iban"]).hides("customer_iban")
    True
    """

    __slots__ = ("_parts", "_set")

    _parts: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...], bool]
    _set: _native.RedactionSet

    def __init__(
        self,
        *,
        names: Iterable[str] = (),
        patterns: Iterable[str] = (),
        secrets: Iterable[str] = (),
        keep: Iterable[str] = (),
        defaults: bool = True,
    ) -> None:
        parts = (
            texts("names", names),
            texts("patterns", patterns),
            texts("secrets", secrets),
            texts("keep", keep),
            bool(defaults),
        )
        object.__setattr__(self, "_parts", parts)
        native = _native.RedactionSet(
            list(parts[0]), list(parts[1]), list(parts[2]), list(parts[3]), parts[4]
        )
        object.__setattr__(self, "_set", native)

    def __setattr__(self, name: str, value: object) -> None:
        message = "a redaction set is frozen; make a new one"
        raise AttributeError(message)

    def hides(self, name: str) -> bool:
        """Whether the value under a name is hidden.

        >>> import telesink
        >>> telesink.Redaction().hides("db_password"), telesink.Redaction().hides("colour")
        (True, False)
        """
        return self._set.hides_name(name)

    def redact(self, text: str) -> str:
        """Hide what stands in a text.

        >>> import telesink
        >>> telesink.Redaction().redact("password=hunter2")
        'password=[REDACTED]'
        """
        return self._set.redact_text(text)

    def __repr__(self) -> str:
        if not hasattr(self, "_parts"):
            # Asked for by who reports an error of the constructor, with all that its frame holds.
            return "<telesink.Redaction, not made>"
        names, patterns, secrets, keep, defaults = self._parts
        hidden = f"<{len(secrets)} hidden>"
        return (
            f"Redaction(names={list(names)}, patterns={list(patterns)}, secrets={hidden}, "
            f"keep={list(keep)}, defaults={defaults})"
        )

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        if self._parts[2]:
            message = "a Redaction with `secrets` cannot be pickled: they would stand there for all to read"
            raise TypeError(message)
        return _remade, self._parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Redaction) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash(self._parts)


def _remade(
    names: tuple[str, ...],
    patterns: tuple[str, ...],
    secrets: tuple[str, ...],
    keep: tuple[str, ...],
    defaults: bool,  # noqa: FBT001 - called by `pickle`, by position
) -> Redaction:
    return Redaction(names=names, patterns=patterns, secrets=secrets, keep=keep, defaults=defaults)


def native_set(redact: bool | Redaction) -> _native.RedactionSet:  # noqa: FBT001 - the setting's own form
    """The compiled set for a setting."""
    if isinstance(redact, Redaction):
        return redact._set  # noqa: SLF001 - the other half of the class
    if redact not in (True, False):
        message = f"`redact` is a {type(redact).__name__}; expected True, False or a telesink.Redaction"
        raise ConfigError(message, "use redact=False to switch it off")
    if redact:
        return _native.RedactionSet([], [], [], [], True)  # noqa: FBT003 - a native call
    return _native.RedactionSet.off()


def texts(name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Read an argument that takes several texts: a single one would be taken letter by letter."""
    if not isinstance(values, (str, bytes)):
        try:
            found = tuple(values)
        except TypeError:
            pass
        else:
            if all(isinstance(value, str) for value in found):
                return found
    kind = type(values).__name__
    # The value itself is not shown: it may be a secret.
    raise ConfigError(f"`{name}` is a {kind} that holds no list of texts", f'for example {name}=["..."]')
