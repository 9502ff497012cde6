"""Sets batch normalisations to the statistics of given inputs, whatever kind of module has them."""

from collections import Counter
from typing import Any  # torch's dispatcher passes anything

from torch.utils._python_dispatch import TorchDispatchMode


class Statistics(TorchDispatchMode):
    """Gives batch normalisations the mean and variance of what passes through them.

    It listens to torch's operators, since modules of TorchScript and of exported programs can't be
    hooked. `args` are those of `native_batch_norm`: input, weight, bias, running mean and variance.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen: Counter[int] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if "batch_norm" in str(function) and len(args) > 4 and args[3] is not None:
            inputs, mean, variance = args[0], args[3], args[4]
            axes = [axis for axis in range(inputs.ndim) if axis != 1]
            # A layer that is used twice averages over both uses.
            self.seen[mean.data_ptr()] += 1
            share = 1 / self.seen[mean.data_ptr()]
            mean.lerp_(inputs.mean(axes), share)
            variance.lerp_(inputs.var(axes, correction=0), share)
        return function(*args, **(kwargs or {}))
