#!/bin/sh
# distributed: a second client asks for a result by its key, once as Future(key, client), once published.
#
# Expected: both are finished, for the result lies in the scheduler's memory and both name it
# Seen:     Future(key, client) stays pending for ever; the published one gives the result at once
# Exits non-zero when that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dask==2026.8.0 distributed==2026.8.0 tornado==6.6.1
cd "$folder"
cat > asked.py <<'EOF'
import importlib.metadata as meta
import operator
import sys

from distributed import Client, Future, LocalCluster

PACKAGES = ("dask", "distributed", "tornado")

if __name__ == "__main__":
    print(*(f"{n} {meta.version(n)}" for n in PACKAGES))
    how = dict(processes=False, dashboard_address=None, protocol="tcp", host="127.0.0.1")
    with LocalCluster(n_workers=1, **how) as cluster:
        first = Client(cluster.scheduler_address, set_as_default=False)
        future = first.submit(operator.add, 1, 2, key="three", pure=False)
        future.result()
        first.publish_dataset(three=future)
        second = Client(cluster.scheduler_address, set_as_default=False)
        named = Future("three", second)
        try:
            named.result(timeout=10)
        except TimeoutError:
            pass
        by_key = named.status
        del named
        published = second.get_dataset("three").result(timeout=10)
        print("expected: Future(key, client) finished, published 3")
        print(f"seen: Future(key, client) {by_key} after 10 s, published {published}")
        second.close()
        first.close()
    sys.exit(not (by_key == "pending" and published == 3))
EOF
"$folder/venv/bin/python" asked.py
