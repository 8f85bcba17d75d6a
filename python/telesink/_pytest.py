"""The pytest plug-in: the fixture ``telesink_records``. Loaded by pytest where telesink is installed."""

from __future__ import annotations

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from telesink.testing import capture


@pytest.fixture
def telesink_records() -> Iterator[capture]:
    """The records logged during the test, as telesink would store them; see ``telesink.testing.capture``."""
    from telesink.testing import capture

    with capture() as captured:
        yield captured
