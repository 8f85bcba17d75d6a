"""Values that do everything wrong, drawn by hypothesis as recipes of plain data.

A recipe can be shown and shrunk, which the value itself cannot: whoever looks at that gets an error. `build`
makes the value.
"""

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import io
import types
import weakref

import numpy as np
from hypothesis import strategies as st


class Unprintable(Exception):  # noqa: N818 - it is thrown about, not handled
    """An error that fails when it is shown."""

    def __str__(self):
        raise ValueError("no")

    __repr__ = __str__


class Metaclass(type):
    """A class of classes without a name that is text."""

    __name__ = property(lambda _self: 7)
    __module__ = property(lambda _self: 1 / 0)


class Colour(enum.Enum):
    RED = "r\0d"


class Huge(enum.IntEnum):
    ONE = 2**80


@dataclasses.dataclass
class Order:
    number: object
    parts: list


Point = collections.namedtuple("Point", "x y")  # noqa: PYI024 - as programs have them

#: What a method may answer instead of what is asked of it.
ANSWERS = {
    "text": "answer",
    "number": 7,
    "nothing": None,
    "bad text": "a\0b\udc80\u2028\x1b[31m",
    "long text": "x" * 3_000,
    "bytes": b"\xff",
    "not implemented": NotImplemented,
    "minus": -1,
    "too much": 2**62,
    "iterator": iter(()),
}

ERRORS = (
    *(ValueError, TypeError, KeyError, AttributeError, OSError, StopIteration, LookupError, UnicodeError),
    *(RecursionError, MemoryError, AssertionError, NotImplementedError, Unprintable, ExceptionGroup),
)

#: The classes that a record reads in a way of their own.
BASES = {
    "object": (object, ()),
    "dict": (dict, ({"true": 1},)),
    "list": (list, ([1, 2],)),
    "tuple": (tuple, ((1, 2),)),
    "set": (set, ({1},)),
    "frozenset": (frozenset, ({1},)),
    "str": (str, ("truth",)),
    "long str": (str, ("truth " * 200_000,)),
    "int": (int, (5,)),
    "long int": (int, (10**60,)),
    "float": (float, (0.5,)),
    "bytes": (bytes, (b"ab",)),
    "bytearray": (bytearray, (b"ab",)),
    "exception": (Exception, ("truth",)),
    "named tuple": (Point, (1, 2)),
    "decimal": (decimal.Decimal, ("1.10",)),
    "datetime": (dt.datetime, (2026, 1, 2)),
}

METHODS = (
    *("__str__", "__repr__", "__format__", "__bytes__", "__bool__", "__len__", "__iter__", "__getitem__"),
    *("__getattr__", "__getattribute__", "__eq__", "__int__", "__float__", "__index__", "__contains__"),
    *("__dir__", "__mod__", "__rmod__", "__iadd__", "__next__", "__reduce__", "__sizeof__"),
    *("keys", "items", "values", "get", "copy", "encode", "bit_length", "isoformat", "item", "startswith"),
)

#: Attributes that are looked at instead of called.
PROPERTIES = (
    "__class__",
    "__dict__",
    "__module__",
    "_fields",
    "__notes__",
    "exceptions",
    "__suppress_context__",
)


def _closed_view():
    view = memoryview(b"abc")
    view.release()
    return view


def _dead_reference():
    return weakref.ref(Order(1, []))


def _arrays_that_hold_one_another():
    first, second = np.empty(1, object), np.empty((1, 1), object).view(np.matrix)
    first[0], second[0, 0] = second, first
    return first


def _chained():
    error = ValueError("first")
    error.__context__ = KeyError(Unprintable())
    error.__cause__ = OSError(2, "gone\0")
    error.__cause__.__cause__ = error
    error.__notes__ = ["note", 7, Unprintable()]
    return error


def _group():
    members = [ValueError("a"), Unprintable(), BaseExceptionGroup("inner", [KeyboardInterrupt()])]
    return BaseExceptionGroup("all\udcff", members)


def _deep_group():
    error = ValueError("the end")
    for _ in range(1_000):
        error = ExceptionGroup("level", [error])
    return error


def _notes_of_no_kind():
    error = ValueError("noted")
    error.__notes__ = 7
    return error


def _itself(kind):
    value = kind()
    if kind is dict:
        value["itself"] = [value]
    else:
        value.append({"itself": value})
    return value


def _generator():
    raise ValueError("nobody asks for what it holds")
    yield


#: Values that need no more than a name; each is made anew.
SPECIAL = {
    "long integer": lambda: 10**5_000,
    "very long integer": lambda: -(2**1_000_000),
    "closed view": _closed_view,
    "view": lambda: memoryview(b"abc"),
    "dead reference": _dead_reference,
    "arrays in a circle": _arrays_that_hold_one_another,
    "array": lambda: np.array([1, 2]),
    "array of one": lambda: np.array([np.nan]),
    "structured array": lambda: np.zeros(1, [("f", object)]),
    "numpy nan": lambda: np.float32("nan"),
    "numpy long": lambda: np.longdouble(1) / 3,
    "numpy void": lambda: np.void(b"\0\xff"),
    "numpy never": lambda: np.datetime64("NaT"),
    "numpy text": lambda: np.str_("a\0"),
    "last second": lambda: dt.datetime.max,  # noqa: DTZ901 - naive on purpose
    "first second": lambda: dt.datetime.min.replace(tzinfo=dt.timezone(dt.timedelta(hours=23))),
    "longest": lambda: dt.timedelta.max,
    "decimal nan": lambda: decimal.Decimal("sNaN"),
    "long decimal": lambda: decimal.Decimal("1e999999"),
    "member": lambda: Colour.RED,
    "large member": lambda: Huge.ONE,
    "data class": lambda: Order(Unprintable(), [Order(1, [])]),
    "named tuple": lambda: Point(float("nan"), b"\0"),
    "class": lambda: Order,
    "class without name": lambda: Metaclass("Odd", (), {}),
    "of a class without name": Metaclass("Odd", (), {}),
    "module": lambda: types.ModuleType("odd\0"),
    "function": lambda: _group,
    "partial": lambda: functools.partial(_group, Unprintable()),
    "generator": _generator,
    "stream": lambda: io.StringIO("abc"),
    "chained error": _chained,
    "group of errors": _group,
    "deep group": _deep_group,
    "odd notes": _notes_of_no_kind,
    "list in itself": lambda: _itself(list),
    "dict in itself": lambda: _itself(dict),
    "endless range": lambda: range(10**30),
    "slice": lambda: slice(1, "a"),
    "ellipsis": lambda: ...,
    "proxy": lambda: types.MappingProxyType({"a": [1]}),
    "chain map": lambda: collections.ChainMap({"a": 1}, {"b": Unprintable()}),
    "empty key": lambda: {"": {"": ""}, " ": 1},
    "same key twice": lambda: {1: "first", "1": "second", True + 1: 3, "2": 4},
    "long key": lambda: {"k" * 65_536: 1},
}

TEXT = st.text(max_size=20) | st.sampled_from(
    [
        *(
            "\0",
            "\ud800",
            "\udfff\udc00",
            "\u2028\u202e",
            "\x1b]0;title\x07",
            "${jndi:ldap://x}",
            "{0.__class__}",
        ),
        *("%(msg)s", "%s", "%", "%n", "\r\nforged", "é" * 300, "password=", "\ufeff", "\U0010ffff", "'\"\\"),
    ]
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.binary(max_size=20)
    | TEXT
    | st.sampled_from([-(2**63), 2**63, -(2**70), 5e-324, -0.0])
)

#: One level more around a value.
NESTED = {
    "list": lambda inner: [inner],
    "tuple": lambda inner: (inner,),
    "dict": lambda inner: {"k": inner},
}

_answer = st.tuples(st.just("answers"), st.sampled_from(sorted(ANSWERS)))
_error = st.tuples(st.just("raises"), st.sampled_from(range(len(ERRORS))))
_odd_one = st.tuples(
    st.just("odd"),
    st.sampled_from(sorted(BASES)),
    st.dictionaries(st.sampled_from(METHODS + PROPERTIES), _answer | _error, max_size=4),
)
_leaf = (
    st.tuples(st.just("plain"), SCALARS)
    | st.tuples(st.just("special"), st.sampled_from(sorted(SPECIAL)))
    | st.tuples(st.just("deep"), st.sampled_from(sorted(NESTED)), st.sampled_from([63, 64, 65, 10_000]))
    | _odd_one
)
_key = st.tuples(st.just("plain"), SCALARS) | st.tuples(st.just("stubborn"), SCALARS)

#: Recipes of values.
RECIPES = st.recursive(
    _leaf,
    lambda inner: (
        st.tuples(st.sampled_from(["list", "tuple", "deque"]), st.lists(inner, max_size=4))
        | st.tuples(st.just("dict"), st.lists(st.tuples(_key, inner), max_size=4))
    ),
    max_leaves=8,
)


class Stubborn:
    """A key that lets itself be hashed and compared only until `is_locked`."""

    def __init__(self, value):
        self.value = value
        self.is_locked = False

    def __hash__(self):
        if self.is_locked:
            raise ValueError("not again")
        return 7

    def __eq__(self, other):
        if self.is_locked:
            raise ValueError("not again")
        return self is other


def _odd_class(base, behaviours):
    members = {}
    for name, (kind, which) in sorted(behaviours.items()):

        def behave(*_arguments, _kind=kind, _which=which, **_keywords):
            if _kind == "answers":
                return ANSWERS[_which]
            error = ERRORS[_which]
            raise error("group", [ValueError()]) if error is ExceptionGroup else error("no")

        if name in PROPERTIES:
            behave = property(behave)
        elif name == "__eq__":
            members["__hash__"] = base.__hash__
        members[name] = behave
    return type("Odd", (base,), members)


def build(recipe):
    """Make the value of a recipe."""
    kind, what, *more = recipe
    return MAKERS[kind](what, *more)


def _odd(base, behaviours):
    kind, arguments = BASES[base]
    return _odd_class(kind, behaviours)(*arguments)


def _dict(pairs):
    made = {build(key): build(value) for key, value in pairs}
    for key in list(made):
        if isinstance(key, Stubborn):
            key.is_locked = True
    return made


def _nested(kind, depth):
    value = "end"
    for _ in range(depth):
        value = NESTED[kind](value)
    return value


#: What makes a value, by the first word of its recipe.
MAKERS = {
    "plain": lambda value: value,
    "special": lambda name: SPECIAL[name](),
    "odd": _odd,
    "stubborn": Stubborn,
    "deep": _nested,
    "dict": _dict,
    "list": lambda items: [build(item) for item in items],
    "tuple": lambda items: tuple(build(item) for item in items),
    "deque": lambda items: collections.deque(build(item) for item in items),
}
