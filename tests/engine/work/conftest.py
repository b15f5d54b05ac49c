"""What tests of kept work share."""

import resource
from collections.abc import Iterator

import pytest


@pytest.fixture
def limited_files() -> Iterator[None]:
    """No file can grow beyond 64 KiB, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
