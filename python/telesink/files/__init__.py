"""The files that ``file:`` DSNs write: look at them, follow them, delete them, and change their settings.

Everything works on the files alone: no program has to run, and those that do go on unharmed.

>>> import tempfile, telesink, telesink.files
>>> folder = tempfile.mkdtemp()
>>> pipeline = telesink.Pipeline(f"file://{folder}?service=shop")
>>> pipeline.enqueue({"body": "paid"})
True
>>> bool(pipeline.close())
True
>>> [(found.service, found.signal, found.file_count) for found in telesink.files.inventory(folder)]
[('shop', 'logs', 1)]
>>> telesink.files.wipe(folder, service="shop").files
1
"""

from telesink.files._inventory import FileSet, inventory
from telesink.files._last import last_lines, last_spans
from telesink.files._names import SIGNALS
from telesink.files._seed import seed
from telesink.files._settings import SettingsChanged, change_settings, check_settings, read_settings
from telesink.files._tail import tail
from telesink.files._wipe import Wiped, wipe

__all__ = [
    "SIGNALS",
    "FileSet",
    "SettingsChanged",
    "Wiped",
    "change_settings",
    "check_settings",
    "inventory",
    "last_lines",
    "last_spans",
    "read_settings",
    "seed",
    "tail",
    "wipe",
]
