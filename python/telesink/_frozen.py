"""Objects that are set once, for the type checker and at run time."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, Self, dataclass_transform
else:

    def dataclass_transform(**_options: object) -> Any:
        """Stand in for typing's, which takes long to import: it says something to type checkers only."""
        return lambda cls: cls


@dataclass_transform(frozen_default=True, eq_default=False)
class Frozen:
    """Named values that are set once; a copy is the object itself."""

    __slots__: ClassVar[tuple[str, ...]] = ()

    def __setattr__(self, name: str, value: object) -> None:
        message = f"{type(self).__name__} is frozen"
        raise AttributeError(message)

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self
