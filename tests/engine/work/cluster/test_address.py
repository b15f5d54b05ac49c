"""What Dask says by itself does not reach a person."""

import logging

from engine.work.cluster.address import quiet_dask
from tests.clusters import needs_dask


@needs_dask
def test_dask_says_nothing_by_itself() -> None:
    quiet_dask()
    import distributed  # noqa: F401  (its loggers are there)

    names = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    assert "distributed.client" in names
    loud = [name for name in names if logging.getLogger(name).isEnabledFor(logging.ERROR)]
    assert not loud
