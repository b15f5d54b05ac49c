"""Checksums of weight files, in the published lengths."""

import hashlib
from pathlib import Path


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hex digits."""
    return _digest(path, "sha256")


def matches(path: Path, published: str) -> bool:
    """Return whether a file is the published one; False for an empty checksum, which tells nothing.

    64 hex digits are a SHA-256, 40 a SHA-1 (Caffe's model zoo), fewer the start of a SHA-256
    (torchvision's file names).
    """
    if not published:
        return False
    return _digest(path, "sha1" if len(published) == 40 else "sha256").startswith(published.lower())


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()
