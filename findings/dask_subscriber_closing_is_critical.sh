#!/bin/sh
# distributed: a client that has subscribed to the scheduler's topic "all" closes in the usual way.
#
# Expected: the client goes, and the scheduler logs no error
# Seen:     the scheduler logs CRITICAL with a traceback (CommClosedError): it tells the client that has
#           just gone that it has gone. After unsubscribe_topic it does not.
# Exits non-zero when that changes.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check dask==2026.8.0 distributed==2026.8.0 tornado==6.6.1
cd "$folder"
cat > closing.py <<'EOF'
import importlib.metadata as meta
import logging
import sys
import time

from distributed import Client, LocalCluster

PACKAGES = ("dask", "distributed", "tornado")


class Heard(logging.Handler):
    def emit(self, record):
        if record.levelno >= logging.CRITICAL:
            found.append(record.exc_info[0].__name__ if record.exc_info else record.getMessage())


def closing(unsubscribe):
    found.clear()
    client = Client(cluster.scheduler_address, set_as_default=False)
    client.subscribe_topic("all", lambda event: None)
    time.sleep(1)
    if unsubscribe:
        client.unsubscribe_topic("all")
        time.sleep(1)
    client.close()
    time.sleep(1)
    return sorted(set(found))


if __name__ == "__main__":
    print(*(f"{n} {meta.version(n)}" for n in PACKAGES))
    found = []
    how = dict(processes=False, dashboard_address=None, protocol="tcp", host="127.0.0.1")
    with LocalCluster(n_workers=0, silence_logs=False, **how) as cluster:
        logging.getLogger("distributed").addHandler(Heard())
        for name in ("scheduler", "core", "utils"):
            logging.getLogger(f"distributed.{name}").propagate = True
        plain, before = closing(False), closing(True)
    print("expected: nothing critical from either")
    print("seen: closing", plain, "and after unsubscribing", before)
    sys.exit(not (plain and not before))
EOF
"$folder/venv/bin/python" closing.py 2>/dev/null
