"""What something was made of and with: digests, versions, time."""

import hashlib
import importlib.metadata
import json
import os
import platform
from datetime import UTC, datetime

from auditkit.core.arrays import Json


def versions(*packages: str) -> dict[str, str]:
    """auditkit's, Python's and these packages' versions."""
    found = {"auditkit": importlib.metadata.version("model-auditkit")}
    found["python"] = platform.python_version()
    return found | {package: importlib.metadata.version(package) for package in packages}


def now() -> str:
    """The time in UTC to the second; `SOURCE_DATE_EPOCH` fixes it."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    moment = datetime.fromtimestamp(int(epoch), UTC) if epoch.isdigit() else datetime.now(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def canonical(value: Json) -> bytes:
    """JSON with sorted keys and no spaces, ASCII only; NaN is refused."""
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )
    return text.encode()


def sha256(data: bytes) -> str:
    """`sha256:` and 64 hexadecimal digits."""
    return "sha256:" + hashlib.sha256(data).hexdigest()
