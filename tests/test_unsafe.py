"""`unsafe` stays where it is allowed, each block of it with its reason (NAT1)."""

import re
from pathlib import Path

import pytest

RUST = Path(__file__).parent.parent / "rust"
CORE, BINDING = RUST / "telesink-core", RUST / "telesink-python"

#: Modules of the binding that may hold `unsafe`, and how many blocks and functions at most. A number that
#: grows wants a measurement, or a reason that nothing safe does the same.
ALLOWED = {"ffi.rs": 11, "sqlite_locks.rs": 5, "process.rs": 10, "sqlite_calls.rs": 12}

SOURCES = sorted(path for folder in (CORE, BINDING) for path in folder.rglob("*.rs"))


def code_of(path):
    """
    The source without texts and comments.
    """
    source = path.read_text("utf-8")
    return re.sub(r'//[^\n]*|b?"(?:\\.|[^"\\])*"', "", source)


def uses_of(path):
    """
    How many blocks, functions, traits and types are marked as unsafe.
    """
    return len(re.findall(r"\bunsafe\b", code_of(path)))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(RUST).as_posix())
def test_unsafe_code_does_not_grow(path):
    is_in_binding = path.parent == BINDING / "src"

    count = uses_of(path)

    assert count <= (ALLOWED.get(path.name, 0) if is_in_binding else 0)


def test_the_count_sees_unsafe_code(tmp_path):
    planted = tmp_path / "planted.rs"
    planted.write_text('// unsafe\nfn f() { unsafe { g() } }\nconst T: &str = "unsafe";\nunsafe fn g() {}\n')

    assert uses_of(planted) == 2


def test_the_core_forbids_unsafe_code_to_itself():
    assert "\n#![forbid(unsafe_code)]\n" in (CORE / "src/lib.rs").read_text("utf-8")


def test_only_the_allowed_modules_lift_the_ban():
    lifting = {path.name for path in SOURCES if re.search(r"(allow|expect)\(unsafe_code", code_of(path))}

    assert lifting <= set(ALLOWED)


def test_the_compiler_denies_unsafe_code_and_blocks_without_a_reason():
    manifest = (RUST.parent / "Cargo.toml").read_text("utf-8")

    assert '\nunsafe_code = "deny"\n' in manifest
    assert '\nundocumented_unsafe_blocks = "deny"' in manifest
    for crate in (CORE, BINDING):
        assert "[lints]\nworkspace = true" in (crate / "Cargo.toml").read_text("utf-8")
