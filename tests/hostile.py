"""Objects that do everything wrong, for tests that nothing of it reaches the program."""


class Evil:
    """
    Raises whenever anybody looks at it; `error` is what it raises.
    """

    def __init__(self, error=ValueError):
        self.__dict__["error"] = error

    def _fail(self, *_arguments, **_keywords):
        raise self.__dict__["error"]("no")

    __str__ = __repr__ = __format__ = __bytes__ = __bool__ = __len__ = __iter__ = __getitem__ = _fail
    __getattr__ = __eq__ = __int__ = __float__ = __index__ = __contains__ = __dir__ = _fail
    __hash__ = object.__hash__


class NotAText:
    """
    Answers something that is no text where a text is due.
    """

    def _answer(self):
        return 7

    __str__ = __repr__ = _answer


class LyingDict(dict):
    """
    Says it is empty and hands out other items than it holds.
    """

    def items(self):
        return [("lie", 1)]

    def keys(self):
        return ["lie"]

    def __iter__(self):
        return iter(["lie"])

    def __len__(self):
        return 0

    def __getitem__(self, key):
        raise KeyError(key)


class LyingList(list):
    """
    Says it is endless.
    """

    def __len__(self):
        return 2**62

    def __iter__(self):
        while True:
            yield self


class LyingText(str):
    """
    A text that shows itself as another one.
    """

    __slots__ = ()

    def __str__(self):
        return "lie"

    def encode(self, *_arguments):
        raise ValueError("no")


def all_of_them():
    """
    One of each.
    """
    return [
        Evil(),
        Evil(RecursionError),
        Evil(MemoryError),
        NotAText(),
        LyingDict(true=1),
        LyingList([1, 2]),
        LyingText("truth"),
        type("Odd", (), {"__class__": property(lambda self: 1 / 0)})(),
        type("Faceless", (), {"__module__": 7})(),
    ]
