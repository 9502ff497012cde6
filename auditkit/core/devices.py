"""What models may be run on."""

import re

from auditkit.core.errors import AuditkitError


def check_device(name: str) -> None:
    """Refuse a device that is not `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        AuditkitError: It is another.
    """
    if re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", name) is None:
        raise AuditkitError(f"--device wants auto, cpu, cuda or cuda:0, got {name[:40]!r}")
