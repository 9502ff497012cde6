"""Where things come from: digests, versions of tools, and time."""

import functools
import hashlib
import importlib.metadata
import json
import os
import platform
from datetime import UTC, datetime

from auditkit.core.arrays import Json
from auditkit.core.errors import AuditkitError

LATEST = 253_402_300_799
"""The last second of the year 9999."""


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of auditkit, Python and the named packages, by name."""
    found = {"auditkit": _version("model-auditkit"), "python": platform.python_version()}
    return found | {package: _version(package) for package in packages}


@functools.cache
def _version(package: str) -> str:
    # Finding it reads and parses a file, which takes longer than writing a report.
    return importlib.metadata.version(package)


def now() -> str:
    """Return the time in UTC to the second, ISO 8601; `SOURCE_DATE_EPOCH` fixes it.

    Raises:
        AuditkitError: The variable holds no such time.
    """
    # Reproducible builds set this variable, so that the same inputs give the same bytes. What it
    # can't mean is refused: another time in its place would give other bytes each time.
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        moment = datetime.now(UTC)
    elif epoch.isascii() and epoch.isdecimal() and len(epoch) < 12 and int(epoch) <= LATEST:
        moment = datetime.fromtimestamp(int(epoch), UTC)
    else:
        raise AuditkitError(
            f"SOURCE_DATE_EPOCH wants seconds since 1970, got {epoch[:40]!r}; correct or unset it"
        )
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def canonical(value: Json) -> bytes:
    """Return the value as JSON with sorted keys, without spaces, in ASCII; digests are taken of it.

    Raises:
        ValueError: A number is NaN or infinite, which JSON does not know.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return text.encode()


def sha256(data: bytes | memoryview) -> str:
    """Return the digest of the bytes as `sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
