"""Every example of the documentation in the source runs, each from a clean start."""

import doctest
import importlib
import pkgutil

import pytest

import telesink

# The command line has its own tests, and needs packages that not everybody has.
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(telesink.__path__, "telesink.")
    if not module.name.startswith(("telesink.cli", "telesink.__main__", "telesink._native"))
)
EXAMPLES = [
    test
    for name in ["telesink", *MODULES]
    for test in doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(name))
    if test.examples
]


def test_there_are_examples():
    assert len(EXAMPLES) > 25


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_the_example_does_what_it_shows(example):
    output = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)

    runner.run(example, out=output.append)

    assert runner.summarize(verbose=False).failed == 0, "".join(output)
