"""What a wheel may hold: `python tests/wheel_contents.py dist/*.whl` looks at finished ones (SUP9)."""

import re
import sys
import zipfile

_ALLOWED = [
    r"telesink/((cli|events|files|metrics|opentelemetry|reading|retention)/)?\w+\.pyi?",
    r"telesink/py\.typed",
    r"telesink/_native\.[\w.-]*(so|pyd)",
    r"telesink-[\w.]+\.dist-info/(METADATA|RECORD|WHEEL|entry_points\.txt)",
    r"telesink-[\w.]+\.dist-info/licenses/LICENSE(-APACHE|-MIT)?",
    r"telesink-[\w.]+\.dist-info/sboms/[\w.-]+\.json",
]
_NEEDED = {
    "the native module": r"telesink/_native\.[\w.-]*(so|pyd)",
    "the mark of a typed package": r"telesink/py\.typed",
    "the licence": r"telesink-[\w.]+\.dist-info/licenses/LICENSE.*",
    "the list of crates": r"telesink-[\w.]+\.dist-info/sboms/.+\.json",
}


def faults(names):
    """
    What is wrong with a wheel that holds these files; nothing, if all is well.
    """
    unknown = [name for name in names if not any(re.fullmatch(one, name) for one in _ALLOWED)]
    lacking = [what for what, one in _NEEDED.items() if not any(re.fullmatch(one, name) for name in names)]
    return [
        *(f"{name} does not belong into a wheel" for name in unknown),
        *(f"the wheel lacks {what}" for what in lacking),
    ]


def main(paths):
    """
    Say what is wrong with each wheel; the exit code.
    """
    found = [f"{path}: {fault}" for path in paths for fault in faults(zipfile.ZipFile(path).namelist())]
    print("\n".join(found) or f"{len(paths)} wheels hold what they should")
    return 1 if found or not paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
