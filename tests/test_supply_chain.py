"""What a wheel of telesink is made from, and what it holds."""

import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import wheel_contents

from telesink import _native

PROJECT = Path(__file__).parent.parent
LOCK = (PROJECT / "Cargo.lock").read_text("utf-8")
MANIFEST = tomllib.loads((PROJECT / "Cargo.toml").read_text("utf-8"))

#: Oldest version of a crate that may be built in, and what is wrong with those before.
OLDEST = {
    "crossbeam-channel": (0, 5, 15),  # RUSTSEC-2025-0024: frees twice
    "rustls": (0, 23, 45),  # RUSTSEC-2026-0285
    "rustls-webpki": (0, 103, 13),  # RUSTSEC-2026-0098, -0099, -0104
    "h2": (0, 4, 16),  # RUSTSEC-2026-0258
    "postgres-protocol": (0, 6, 12),  # SCRAM with any number of iterations
}

#: Other implementations of TLS, the client library of Postgres, and other allocators.
UNWANTED = re.compile(
    r"openssl(-sys|-src)?|native-tls|aws-lc-\w+|boring-sys|pq-sys|[\w-]*jemalloc[\w-]*|mimalloc|\w+malloc-sys"
)

#: Oldest SQLite that does not destroy databases (S2).
SQLITE_OLDEST = (3, 51, 3)

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the format of modules is Linux's")


def packages(lock):
    """
    Name and version of each crate in a lock file.
    """
    return [(one["name"], version(one["version"])) for one in tomllib.loads(lock)["package"]]


def version(text):
    return tuple(int(part) for part in re.split(r"[-+]", text)[0].split("."))


def faults(lock):
    """
    What is wrong with the crates of a lock file.
    """
    for name, found in packages(lock):
        if name in OLDEST and found < OLDEST[name]:
            yield f"{name} {found} is older than {OLDEST[name]}"
        if UNWANTED.fullmatch(name):
            yield f"{name} is unwanted"


def readelf(*options):
    command = ["readelf", "--wide", *options, _native.__file__]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_no_crate_is_older_than_its_known_faults():
    assert list(faults(LOCK)) == []


@pytest.mark.parametrize("name", OLDEST)
def test_a_planted_old_crate_is_found(name):
    old = LOCK + f'\n[[package]]\nname = "{name}"\nversion = "0.0.9"\n'

    assert list(faults(old)) == [f"{name} (0, 0, 9) is older than {OLDEST[name]}"]


@pytest.mark.parametrize(
    "name", ["openssl", "openssl-sys", "native-tls", "aws-lc-sys", "pq-sys", "tikv-jemallocator", "mimalloc"]
)
def test_a_planted_unwanted_crate_is_found(name):
    planted = LOCK + f'\n[[package]]\nname = "{name}"\nversion = "9.9.9"\n'

    assert list(faults(planted)) == [f"{name} is unwanted"]


def test_every_crate_comes_from_the_registry_or_from_here():
    sources = {one.get("source", "here") for one in tomllib.loads(LOCK)["package"]}
    ours = {one["name"] for one in tomllib.loads(LOCK)["package"] if "source" not in one}

    assert sources == {"here", "registry+https://github.com/rust-lang/crates.io-index"}
    assert ours == {"telesink-core", "telesink-python"}


@pytest.mark.parametrize(("crate", "most"), [("telesink-core", 33), ("telesink-python", 7)])
def test_every_direct_dependency_has_a_reason(crate, most):
    text = (PROJECT / "rust" / crate / "Cargo.toml").read_text("utf-8")
    shipped = re.split(r"^\[(?:dev-dependencies|lints)\]", text, flags=re.MULTILINE)[0]
    lines = re.findall(r"^[\w-]+\.workspace = true.*$", shipped.partition("[dependencies]")[2], re.MULTILINE)

    assert 0 < len(lines) <= most
    assert [line for line in lines if not re.search(r" # \w.{9}", line)] == []


def test_tokio_has_only_what_survives_a_fork():
    """Signals and child processes of tokio have state in the process that a child inherits."""
    assert set(MANIFEST["workspace"]["dependencies"]["tokio"]["features"]) == {
        "io-util",
        "net",
        "rt",
        "sync",
        "time",
    }
    assert MANIFEST["workspace"]["dependencies"]["tokio"]["default-features"] is False
    # The crate behind tokio's signals; without it no other crate has switched them on.
    assert "signal-hook-registry" not in dict(packages(LOCK))


def test_a_release_unwinds_and_checks_its_arithmetic():
    assert MANIFEST["profile"]["release"]["panic"] == "unwind"
    assert MANIFEST["profile"]["release"]["overflow-checks"] is True


def test_S2_the_bundled_sqlite_is_none_that_destroys_databases():
    assert version(_native.SQLITE_VERSION) >= SQLITE_OLDEST


def test_S2_an_older_sqlite_is_refused_at_build_and_at_import():
    core = (PROJECT / "rust/telesink-core/src/sinks/sqlite/mod.rs").read_text("utf-8")
    (number,) = re.findall(r"SQLITE_VERSION_MIN: i32 = ([\d_]+);", core)
    major, minor, patch = SQLITE_OLDEST

    assert int(number) == major * 1_000_000 + minor * 1_000 + patch
    assert re.search(
        r"const _: \(\) =\s+assert!\(rusqlite::ffi::SQLITE_VERSION_NUMBER >= SQLITE_VERSION_MIN", core
    )
    binding = (PROJECT / "rust/telesink-python/src/lib.rs").read_text("utf-8")
    assert "sqlite_version()" in binding.partition("fn _native(")[2]


def test_the_list_of_crates_comes_with_the_package_and_agrees_with_the_lock_file():
    (path,) = [
        path
        for path in importlib.metadata.files("telesink")
        if path.suffix == ".json" and "sboms" in path.parts
    ]
    listed = json.loads(path.read_text())

    assert listed["bomFormat"] == "CycloneDX"
    crates = {(one["name"], version(one["version"])) for one in listed["components"]}
    assert {"rustls", "libsqlite3-sys", "tokio-postgres", "pyo3"} <= {name for name, _ in crates}
    assert crates <= set(packages(LOCK))
    assert [one["name"] for one in listed["components"] if not one.get("licenses")] == []


@on_linux
def test_the_module_is_hardened():
    headers, dynamic = readelf("--program-headers"), readelf("--dynamic")

    assert "GNU_RELRO" in headers
    assert "BIND_NOW" in dynamic
    assert re.search(r"GNU_STACK .* RW +0", headers), "the stack must not be executable"
    assert not re.search(r"LOAD .* RWE ", headers), "nothing is writable and executable"
    assert not re.search(r"\((RPATH|RUNPATH|TEXTREL)\)", dynamic)


@on_linux
def test_I16_the_module_exports_one_name_and_brings_no_second_allocator_tls_or_libpq():
    symbols = readelf("--dyn-syms")
    exported = re.findall(r" (?:GLOBAL|WEAK) +DEFAULT +\d+ (\S+)$", symbols, re.MULTILINE)
    needed = set(re.findall(r"\(NEEDED\).*\[(.+?)\]", readelf("--dynamic")))

    assert exported == ["PyInit__native"]
    assert {
        name
        for name in needed
        if not re.match(r"(libc|libm|libgcc_s|ld-linux-[\w-]+|libpthread|libdl|libc\.musl-\w+)\.so", name)
    } == set()
    assert not re.search(
        r"jemalloc|mallocx|SSL_|PQ[a-z]+|atexit\b(?!_impl)", re.sub(r"__cxa_\w+", "", symbols)
    )


@on_linux
def test_I16_nothing_runs_when_the_module_is_loaded_or_unloaded_but_what_the_compiler_needs():
    """At start the C runtime's own, and that of std, which keeps the arguments of the program."""
    sizes = dict(re.findall(r"\((INIT_ARRAYSZ|FINI_ARRAYSZ)\)\s+(\d+)", readelf("--dynamic")))

    assert int(sizes["INIT_ARRAYSZ"]) <= 16
    assert int(sizes["FINI_ARRAYSZ"]) <= 8


@pytest.mark.parametrize("name", sorted(path.name for path in (PROJECT / "requirements").glob("*.txt")))
def test_every_tool_is_pinned_to_one_version(name):
    lines = (PROJECT / "requirements" / name).read_text("utf-8").splitlines()
    packages = [line for line in lines if line and not line.startswith(("#", "-r "))]

    assert [line for line in packages if not re.match(r"[\w.-]+(\[\w+\])?==[\w.]+(;.*)?$", line)] == []


def test_every_action_of_the_workflows_is_pinned_by_commit():
    for workflow in (PROJECT / ".github/workflows").glob("*.yml"):
        text = workflow.read_text("utf-8")
        uses = re.findall(r"uses: (\S+)", text)

        assert [one for one in uses if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", one)] == [], workflow.name
        assert "\npermissions: {}\n" in text


GOOD = [
    "telesink/__init__.py",
    "telesink/_native.abi3.so",
    "telesink/_native.pyi",
    "telesink/cli/app.py",
    "telesink/py.typed",
    "telesink-0.1.0.dist-info/METADATA",
    "telesink-0.1.0.dist-info/RECORD",
    "telesink-0.1.0.dist-info/WHEEL",
    "telesink-0.1.0.dist-info/entry_points.txt",
    "telesink-0.1.0.dist-info/licenses/LICENSE-MIT",
    "telesink-0.1.0.dist-info/sboms/telesink-python.cyclonedx.json",
]


def test_what_belongs_into_a_wheel_is_let_through():
    assert wheel_contents.faults(GOOD) == []


def test_every_module_of_the_package_belongs_into_a_wheel():
    package = PROJECT / "python"
    modules = [
        path.relative_to(package).as_posix() for path in package.rglob("*.py*") if path.suffix != ".pyc"
    ]

    assert "telesink/__init__.py" in modules
    assert wheel_contents.faults([*GOOD, *modules]) == []


@pytest.mark.parametrize(
    "name",
    [
        "telesink/app.db",
        "telesink/__pycache__/cli.cpython-311.pyc",
        "telesink/.env",
        "telesink/_native.abi3.so.bak",
        "telesink.pth",
        "tests/test_smoke.py",
        "telesink/libssl.so.3",
        "telesink-0.1.0.data/scripts/postinstall",
        "../evil.py",
    ],
)
def test_what_does_not_belong_into_a_wheel_is_named(name):
    assert wheel_contents.faults([*GOOD, name]) == [f"{name} does not belong into a wheel"]


@pytest.mark.parametrize("part", ["_native", "py.typed", "LICENSE", "sboms"])
def test_what_a_wheel_lacks_is_named(part):
    rest = [name for name in GOOD if part not in name or name.endswith(".pyi")]

    (fault,) = wheel_contents.faults(rest)
    assert "lacks" in fault
