"""The auditor's calls: check and load."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, overload

from auditkit import api
from auditkit.adapters.live import is_one
from auditkit.api.results import Result
from auditkit.core.access import Access
from auditkit.core.errors import AuditkitError
from auditkit.core.progress import Told, told
from auditkit.core.requests import Asking, Options, Patience, Reach
from auditkit.files import bundle as bundles
from auditkit.files.bundle import Bundle
from auditkit.reports.build import report

Suspect = Any
"""A path, an address, a function, a torch.nn.Module or an onnxruntime.InferenceSession."""


def load(path: Path | str) -> Bundle:
    """Read a bundle that `auditkit fingerprint` or `Bundle.save` wrote.

    Raises:
        BundleError: It is no bundle, one of another version, or was changed.
    """
    return bundles.read(path)


@overload
def check(
    bundle: Bundle | Path | str, suspect: list[Suspect] | tuple[Suspect, ...], **options: Any
) -> list[Result]: ...
@overload
def check(bundle: Bundle | Path | str, suspect: Suspect, **options: Any) -> Result: ...
# What is said of types above is shorter than what follows: the options are told once, here.
def check(  # type: ignore[misc]
    bundle: Bundle | Path | str,
    suspect: Suspect,
    *,
    access: Access | str = Access.LOGITS,
    sequential: bool | None = None,
    thorough: bool | None = None,
    budget: int | None = None,
    rate: float | None = None,
    journal: Path | str | None = None,
    headers: Mapping[str, str] | None = None,
    device: str = "auto",
    resize: bool = False,
    model_output: str = "",
    asking: Asking | None = None,
    progress: Told = False,
) -> Result | list[Result]:
    """Give a verdict on one suspect, or on each of several.

        auditkit.check("model.fp", [net, vendor.ask, "https://host/v2/models/NAME"])

    A function gets a float32 array (b, *shape), normalised as for the owner's model, and returns
    scores (b, classes) or labels (b,). A suspect that can't be audited is `refused`, and no error.

    Args:
        bundle: Whose points are asked, or its file.
        suspect: A path, an address, `python:module:function`, a function, a torch.nn.Module or an
            onnxruntime.InferenceSession; or several of them in a list. Objects run in this process,
            without the walls around files.
        access: The most that is used of an answer: `label`, `top-k`, `probabilities`, `logits`, ….
        sequential: Whether points are asked one by one until the answers decide. None: of suspects
            behind an address, where the bundle has twins.
        thorough: Whether the natural points of a line-up are asked as well. None: of files and
            modules, where it takes less than a minute.
        budget: Largest number of points that are sent to a suspect behind an address.
        rate: Largest number of requests a second.
        journal: File of everything asked of suspects without a file and answered; the same call
            goes on from it. None: none is kept.
        headers: HTTP headers of each request; secrets as `${NAME}` (environment).
        device: `auto`, `cpu`, `cuda` or `cuda:N`, for files.
        resize: Whether points may be resized to what a suspect takes.
        model_output: Output that is read of a model with several.
        asking: All of these options and more as one value; none of the others count then.
        progress: Told how far it is; True: lines on stderr.

    Returns:
        A `Result`, or a list of them in the order of the suspects if several were given.

    Raises:
        BundleError: The bundle can't be read, or has no twins for what was asked.
        PluginError: One of the bundle's identifications is missing.
        AuditkitError: There is no such access level.
    """
    how = asking or Asking(
        access=_access(access),
        options=Options(device, resize, output=model_output, reach=Reach(headers=headers or {})),
        sequential=sequential,
        thorough=thorough,
        patience=Patience(budget=budget, rate=rate),
        journal=None if journal is None else Path(journal),
    )
    opened = bundle if isinstance(bundle, Bundle) else load(bundle)
    examined = list(api.audit(opened, suspect, how, told(progress)))
    found = report(opened, [examination.outcome for examination in examined])
    results = [Result(one, found, place) for place, one in enumerate(examined)]
    return results[0] if is_one(suspect) else results


def _access(name: Access | str) -> Access:
    known = [str(level) for level in Access]
    if name not in known:
        raise AuditkitError(f"access wants one of {', '.join(known)}, got {name!r}")
    return Access(name)
