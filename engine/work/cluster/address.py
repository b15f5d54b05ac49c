"""Where a Dask scheduler is, and how the way to it is protected.

Anyone who reaches a Dask scheduler can run code on its workers. Without TLS, only this machine's
own addresses are therefore accepted, unless the user insists.
"""

import ipaddress
import logging
import ssl
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from engine.errors import BadInput, Mention

PORT = 8786
"""Where Dask's schedulers listen unless they are told otherwise."""
_NOISY = ("distributed", "tornado", "asyncio", "dask")


@dataclass(frozen=True)
class SchedulerAddress:
    """A scheduler, and the files that prove who is talking to it."""

    address: str
    """tcp://HOST:PORT or tls://HOST:PORT."""
    ca: Path | None = None
    """Certificates of those who may sign (PEM)."""
    certificate: Path | None = None
    """One's own certificate (PEM)."""
    key: Path | None = None
    """Its private key (PEM); None: it is in the certificate's file."""
    insecure: bool = False
    """Whether to talk to another machine without TLS."""

    @property
    def host(self) -> str:
        """The machine's name or number."""
        return urlsplit(self.address).hostname or ""

    @property
    def encrypted(self) -> bool:
        """Whether TLS is used."""
        return self.address.startswith("tls://")

    @property
    def local(self) -> bool:
        """Whether only programs on this machine can reach it."""
        return is_loopback(self.host)

    def security(self) -> Any:
        """Return it as `distributed.Security`. Raises `BadInput` for unsuitable files."""
        from distributed import Security

        if not self.encrypted:
            return Security(require_encryption=False)
        own, key = str(self.certificate), str(self.key or self.certificate)
        made = Security(
            tls_ca_file=str(self.ca), require_encryption=True,
            tls_client_cert=own, tls_client_key=key, tls_worker_cert=own, tls_worker_key=key,
        )  # fmt: skip
        for file, what in ((self.ca, "certificates"), (self.certificate, "a certificate")):
            if file is None or not file.is_file():
                raise BadInput(f"{file} is missing: TLS needs the file (PEM) that holds {what}")
        try:
            made.get_connection_args("client")
        except (OSError, ssl.SSLError, ValueError) as error:
            raise BadInput(
                f"the TLS files {self.ca}, {own} and {key} cannot be used ({error}): give a"
                " certificate and its private key in PEM, without a password"
            ) from error
        return made


def scheduler_address(
    text: str, ca: Path | None = None, certificate: Path | None = None, key: Path | None = None,
    insecure: bool = False,
) -> SchedulerAddress:  # fmt: skip
    """Return the address that a person gave, checked; nothing is connected yet. Raises `BadInput`."""
    wrong = f"{text!r} is not the address of a scheduler: give one like tcp://127.0.0.1:{PORT}"
    plain = text.strip()
    parts = urlsplit(plain if "://" in plain else f"tcp://{plain}")
    try:
        port = parts.port or PORT
    except ValueError as error:
        raise BadInput(wrong) from error
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or parts.path.strip("/"):
        raise BadInput(wrong)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    given = SchedulerAddress(f"{parts.scheme}://{host}:{port}", ca, certificate, key, insecure)
    if given.encrypted:
        if ca is None or certificate is None:
            raise BadInput(
                f"{given.address} needs ", Mention("tls_ca"), " and ", Mention("tls_cert"),
                ": the certificates of the authorities trusted to sign, and your own (PEM files)",
            )  # fmt: skip
    elif ca is not None or certificate is not None or key is not None:
        raise BadInput(f"{given.address} does not use TLS: write tls:// to use your certificate")
    elif not given.local and not insecure:
        raise BadInput(
            f"{given.address} would be used without protection, and whoever reaches a scheduler can"
            " run programs on its workers: use tls:// with certificates; where you trust everybody in"
            " the network, there is also ",
            Mention("insecure"),
        )
    return given


def is_loopback(host: str) -> bool:
    """Whether a host's name or number means this machine and cannot be reached from others."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_dask() -> None:
    """Raise `BadInput` with the command that installs Dask if it is not installed."""
    if find_spec("distributed") is None:
        raise BadInput(
            "a cluster needs Dask (distributed), which is not installed; "
            'install it with: pip install "pareidolia[cluster]"'
        )


def quiet_dask() -> None:
    """Silence Dask: what matters is said in our own sentences."""
    import dask

    dask.config.set(
        {
            "logging": dict.fromkeys(_NOISY, "critical"),
            "distributed.admin.large-graph-warning-threshold": "1TB",  # photos are large
            "distributed.nanny.pre-spawn-environ": {},  # else runs would have a single thread
            "distributed.worker.profile.enabled": False,
            "distributed.diagnostics.nvml": False,
        }
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import distributed  # noqa: F401  (sets its loggers up)
    for name in list(logging.root.manager.loggerDict):  # distributed.client has a level of its own
        if name.partition(".")[0] in _NOISY:
            logging.getLogger(name).setLevel(logging.CRITICAL)
