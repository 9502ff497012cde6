"""The owner's calls: fingerprint and twins."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from auditkit import api
from auditkit.core.progress import Told, told
from auditkit.core.requests import InputFacts, Order, TwinPlan
from auditkit.files.bundle import Bundle

if TYPE_CHECKING:
    from torch import nn


def fingerprint(
    model: "Order | nn.Module | Path | str",
    samples: object = None,
    *,
    twins: Sequence[Path | str] | Path | str = (),
    points: int = 100,
    method: str = "",
    seed: int = 0,
    from_scratch: bool = False,
    siblings: int | None = None,
    robust: Sequence[str] = (),
    weights: Path | str | None = None,
    head: str = "",
    device: str = "auto",
    minutes: float | None = None,
    input_shape: Sequence[int] | None = None,
    input_range: tuple[float, float] | None = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    progress: Told = False,
) -> Bundle:
    """Find points that only the owner's model and its copies share (needs torch).

    The options are those of `auditkit fingerprint`.

    Args:
        model: The owner's model: a torch.nn.Module, which is copied and not changed, a `.pt2` or
            TorchScript file, `package.module:factory`, or `file.py:Class`. An `Order` holds the
            options besides.
        samples: Natural inputs that the model was not trained on, 50 or more: a path (npz or folder
            of images), an array (n, …), a pair (x, y), or a torch Dataset or DataLoader. Without
            them only weights of files give a verdict.
        twins: Folders made by `auditkit.twins`, or model files: the model's own recipe with other
            random numbers. With them verdicts have exact error rates.
        points: Number of core points, 20 to 5,000.
        method: How points are found; `lineup` with twins, otherwise `deepcore`.
        seed: Seed of all random choices, 0 or more.
        from_scratch: States that the model was not tuned from a public one.
        siblings: Models of the owner's architecture that are trained anew, to see whether innocent
            ones share the points. None: 4 unless that takes more than ten minutes.
        robust: What core points must survive on the way to an API: `jpeg`, `resize`.
        weights: Weights for a factory that does not bring its own.
        head: The output that is read of a model with several, by name or place.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        minutes: Time after which the core points found so far must do; None: as long as it takes.
        input_shape: Shape of one input; None: it is read from the file or the samples.
        input_range: Least and greatest value of an input; None: as above.
        mean: Mean of each channel to subtract before the model gets an input; needs `std`.
        std: Standard deviation of each channel to divide by after that.
        progress: Told how far it is; True: lines on stderr.

    Raises:
        OwnerError: The model can't be used.
        SamplesError: The samples can't be used.
        FingerprintError: No points could be found, or an option is wrong.
        MissingRuntimeError: torch is not installed.
    """
    if isinstance(model, Order):
        return api.fingerprint(model, samples if callable(samples) else told(progress))
    shape = tuple(input_shape) if input_shape else None
    order = Order(
        model,
        weights=_path(weights),
        samples=samples,
        method=method,
        points=points,
        seed=seed,
        device=device,
        facts=InputFacts(shape, input_range, tuple(mean), tuple(std)),
        robust=(robust,) if isinstance(robust, str) else tuple(robust),
        from_scratch=from_scratch,
        twins=tuple(map(Path, [twins] if isinstance(twins, str | Path) else twins)),
        head=head,
        siblings=siblings,
        minutes=minutes,
    )
    return api.fingerprint(order, told(progress))


def twins(
    model: "Order | nn.Module | Path | str",
    folder: Path | str,
    plan: TwinPlan | None = None,
    *,
    train: str | Callable[[int], object] = "",
    data: object = None,
    count: int = 19,
    epochs: int = 8,
    start: Path | str | None = None,
    workers: int | None = 1,
    weights: Path | str | None = None,
    head: str = "",
    seed: int = 0,
    device: str = "auto",
    progress: Told = False,
) -> str:
    """Train twins, the model's own recipe again with other random numbers (needs torch).

    `auditkit.fingerprint(…, twins=folder)` lines them up with the model. If it was interrupted, the
    same call continues where it stopped.

    Args:
        model: The owner's model, as for `fingerprint`. An `Order` holds the options besides, and
            goes with a `plan`.
        folder: Where the twins are written; made if it is missing.
        plan: How twins are trained, beside an `Order`.
        train: Your own training: a function, or its name as `package.module:function`. It is called
            with a seed and returns a module or the path of a model file. Without it auditkit trains
            the model's architecture on `data`.
        data: What the model was trained on, with labels: whatever `fingerprint` takes as samples.
        count: Number of twins, 1 or more; 19 carry 5 %.
        epochs: Passes over the data, where auditkit trains.
        start: Weights of the public model that this one was tuned from.
        workers: Trainings at once; None: one for each core. More than one takes a model, data and
            training that are named and no objects.
        weights: Weights for a factory that does not bring its own.
        head: The output that is read of a model with several, by name or place.
        seed: Seed of all random choices, 0 or more.
        device: `auto`, `cpu`, `cuda` or `cuda:N`.
        progress: Told how far it is; True: lines on stderr.

    Returns:
        One line on what the folder holds now.

    Raises:
        OwnerError, SamplesError: The model or the data can't be used.
        TrainedModelsError: The folder holds something else.
        MissingRuntimeError: torch is not installed.
    """
    wanted = plan or TwinPlan(count, epochs, train, _path(start), workers)
    if isinstance(model, Order):
        return api.twins(model, Path(folder), wanted, told(progress))
    order = Order(model, _path(weights), data, seed=seed, device=device, head=head)
    return api.twins(order, Path(folder), wanted, told(progress))


def _path(given: Path | str | None) -> Path | None:
    return None if given is None else Path(given)
