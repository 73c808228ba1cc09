"""One installation for all tests of a module; each test brings its own customers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.installation import Installation, installation
from tests.conftest import Servers


@pytest.fixture(scope="module")
def place(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """The running installation of a module."""
    with installation(servers, tmp_path_factory.mktemp("place")) as made:
        yield made
