"""The package as a whole: its names, their documentation, its version and what it needs."""

import importlib.metadata
import inspect
import pathlib
import tomllib

import pytest

import telesink
import telesink.exceptions
import telesink.testing
from telesink import _native

CHECKOUT = pathlib.Path(__file__).parent.parent
PUBLIC = [telesink, telesink.testing, telesink.exceptions]
NAMES = [(module, name) for module in PUBLIC for name in module.__all__]


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_the_list_of_names_is_sorted_and_has_no_name_twice(module):
    assert sorted(set(module.__all__)) == module.__all__


def test_the_list_of_names_is_complete():
    public = {
        name
        for name, value in vars(telesink).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name != "annotations"
    }

    assert public | {"__version__"} == set(telesink.__all__)


@pytest.mark.parametrize(("module", "name"), NAMES, ids=lambda part: getattr(part, "__name__", part))
def test_every_public_name_is_documented(module, name):
    value = getattr(module, name)
    if name == "__version__":
        return

    assert inspect.getdoc(value)
    if inspect.isclass(value):
        for attribute, member in vars(value).items():
            is_function = inspect.isfunction(member) or isinstance(
                member, (property, classmethod, staticmethod)
            )
            if is_function and not attribute.startswith("_"):
                assert inspect.getdoc(getattr(value, attribute)), f"{name}.{attribute}"


@pytest.mark.parametrize(
    "name", ["install_logging", "enqueue", "flush", "aflush", "stats", "recent", "shutdown"]
)
def test_every_function_has_an_example(name):
    assert ">>>" in getattr(telesink, name).__doc__


def test_every_native_name_is_in_the_stub_and_documented():
    assert {name for name in vars(_native) if not name.startswith("_")} == set(_native.__all__)
    for name in _native.__all__:
        if name.isupper():
            continue
        assert getattr(_native, name).__doc__, name


def test_the_version_is_the_one_of_the_workspace():
    manifest = tomllib.loads((CHECKOUT / "Cargo.toml").read_text(encoding="utf-8"))
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert telesink.__version__ == manifest["workspace"]["package"]["version"]
    assert telesink.__version__ == importlib.metadata.version("telesink")
    assert "version" in project["dynamic"]


def test_nothing_else_is_needed_at_run_time():
    required = importlib.metadata.requires("telesink") or []

    assert [requirement for requirement in required if "extra ==" not in requirement] == []


def test_the_package_says_that_it_is_typed():
    assert (pathlib.Path(telesink.__file__).parent / "py.typed").exists()


def test_the_command_line_is_an_entry_point():
    [script] = importlib.metadata.entry_points(group="console_scripts", name="telesink")

    assert script.value == "telesink.__main__:main"


def test_public_functions_take_settings_by_keyword_only():
    for name in ("install_logging", "Pipeline"):
        parameters = list(inspect.signature(getattr(telesink, name)).parameters.values())
        assert parameters[0].name == "dsn"
        assert {one.kind for one in parameters[1:]} <= {
            inspect.Parameter.KEYWORD_ONLY,
            inspect.Parameter.VAR_KEYWORD,
        }


def test_classes_show_where_they_come_from():
    for name in telesink.__all__:
        value = getattr(telesink, name)
        if inspect.isclass(value):
            assert value.__module__.startswith("telesink"), name
