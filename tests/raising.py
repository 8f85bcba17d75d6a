"""Functions that raise, each in a way of its own."""

import pathlib


def raised(function, *arguments):
    """
    What a call raises, with its traceback.
    """
    try:
        function(*arguments)
    except BaseException as error:  # noqa: BLE001, RUF100 - whatever it is
        return error
    raise AssertionError("nothing was raised")


def plain():
    raise ValueError("no such order")


def without_message():
    raise ValueError


def several_arguments():
    raise ValueError("a", 1, None)


def several_lines():
    raise ValueError("first\nsecond\n\nfourth")


def empty_lines():
    raise ValueError("\n\n")


def deep(depth=20):
    if depth:
        deep(depth - 1)
    else:
        plain()


def endless():
    endless()


def ping(depth):
    pong(depth - 1) if depth else plain()


def pong(depth):
    ping(depth)


def with_cause():
    try:
        plain()
    except ValueError as error:
        raise RuntimeError("could not pay") from error


def with_context():
    try:
        plain()
    except ValueError:
        raise RuntimeError("could not pay")  # noqa: B904 - the context is the point


def with_suppressed_context():
    try:
        plain()
    except ValueError:
        raise RuntimeError("could not pay") from None


def with_cause_and_context():
    try:
        plain()
    except ValueError:
        raise RuntimeError("could not pay") from KeyError("sku")


def long_chain():
    try:
        with_context()
    except RuntimeError as error:
        raise LookupError("no order") from error


def very_long_chain(length=50):
    try:
        plain() if length == 0 else very_long_chain(length - 1)
    except ValueError as error:
        raise ValueError(f"level {length}") from error


def noted():
    error = ValueError("no such order")
    error.add_note("asked by u-7")
    error.add_note("two\nlines")
    raise error


def odd_notes():
    error = ValueError("no such order")
    error.__notes__ = ["first", 7, None]
    raise error


def group():
    raise ExceptionGroup("two things", [ValueError("a"), TypeError("b")])


def raised_members():
    raise ExceptionGroup("two things", [raised(plain), raised(with_cause)])


def nested_group():
    inner = ExceptionGroup("inner", [raised(noted), KeyError("k")])
    raise ExceptionGroup("outer", [inner, OSError(2, "gone")])


def wide_group():
    raise ExceptionGroup("wide", [ValueError(str(number)) for number in range(40)])


def deep_group(depth=20):
    error = ValueError("the end")
    for level in range(depth):
        error = ExceptionGroup(f"level {level}", [error])
    raise error


def group_with_cause():
    try:
        plain()
    except ValueError as error:
        raise ExceptionGroup("two things", [TypeError("b"), raised(with_context)]) from error


def base_group():
    raise BaseExceptionGroup("stop", [KeyboardInterrupt(), ValueError("a")])


def group_with_notes():
    error = ExceptionGroup("two things", [raised(noted)])
    error.add_note("of the group")
    raise error


def syntax_error():
    compile("a = 1\nb = = 2\n", "shop.py", "exec")


def indentation_error():
    compile("if a:\nb\n", "shop.py", "exec")


def syntax_error_in_a_text():
    eval("1 +")


def syntax_error_without_place():
    raise SyntaxError("bad file")


def unicode_error():
    b"\xff".decode()


def name_error():
    return order  # noqa: F821 - the name that is not there


def import_error():
    import telesink_does_not_exist  # noqa: F401 - it is not there


def system_error():
    pathlib.Path("/no/such/file").stat()


def keyboard_interrupt():
    raise KeyboardInterrupt


def made_in_a_text():
    exec("def inner():\n    raise ValueError('in a text')\ninner()")


def in_a_lambda():
    return sorted([1], key=lambda _: plain())


def in_a_comprehension():
    return [plain() for _ in range(3)]


def in_a_generator():
    return max(plain() for _ in range(3))


class Shop:
    class OrderError(Exception):
        def __str__(self):
            return "custom text"

    def method(self):
        raise self.OrderError("hidden")


def in_a_method():
    Shop().method()


def local_class():
    class LocalError(Exception):
        pass

    raise LocalError("local")


class UnprintableError(Exception):
    def __str__(self):
        raise ValueError("no")


def unprintable():
    raise UnprintableError


def unprintable_cause():
    raise RuntimeError("outer") from raised(unprintable)


def not_ascii():
    raise ValueError("späte Lieferung \N{SNOWMAN}")


def cyclic_context():
    first, second = ValueError("first"), ValueError("second")
    first.__context__, second.__context__ = second, first
    raise first


def cyclic_cause():
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    raise first


def its_own_cause():
    error = ValueError("first")
    error.__cause__ = error
    raise error


def its_own_group_member():
    member = ValueError("member")
    error = ExceptionGroup("both", [member, TypeError("other")])
    member.__cause__ = error
    raise error


CASES = [
    plain,
    without_message,
    several_arguments,
    several_lines,
    empty_lines,
    deep,
    endless,
    with_cause,
    with_context,
    with_suppressed_context,
    with_cause_and_context,
    long_chain,
    very_long_chain,
    noted,
    odd_notes,
    group,
    raised_members,
    nested_group,
    wide_group,
    deep_group,
    group_with_cause,
    base_group,
    group_with_notes,
    syntax_error,
    indentation_error,
    syntax_error_in_a_text,
    syntax_error_without_place,
    unicode_error,
    name_error,
    import_error,
    system_error,
    keyboard_interrupt,
    made_in_a_text,
    in_a_lambda,
    in_a_comprehension,
    in_a_generator,
    in_a_method,
    local_class,
    unprintable,
    unprintable_cause,
    not_ascii,
    cyclic_context,
    cyclic_cause,
    its_own_cause,
    its_own_group_member,
]
