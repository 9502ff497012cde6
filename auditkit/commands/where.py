"""Where work is done that can be spread: the options that `scan` and `twins` share."""

from dataclasses import dataclass
from typing import Annotated

import typer

from auditkit.core.errors import FleetError
from auditkit.core.requests import Engine, Machines


@dataclass(frozen=True, slots=True)
class Where:
    """The engine, and what each of its tasks is given."""

    engine: Annotated[
        Engine,
        typer.Option(help="What spreads the work: processes of this machine, or a Ray cluster."),
    ] = Engine.LOCAL
    ray_address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Head of the Ray cluster, or auto for the one that runs on this machine; "
            "otherwise that of RAY_ADDRESS, or one of this machine that is started for the work.",
            show_default=False,
        ),
    ] = None
    gpus_each: Annotated[
        float,
        typer.Option(
            min=0, help="Cards for each task of a Ray cluster: 0.25 lets four tasks share one."
        ),
    ] = 0.0

    def machines(self, device: str) -> Machines:
        """Return the options as one value.

        Args:
            device: As `--device` says.

        Raises:
            FleetError: They contradict each other.
        """
        if self.gpus_each > 1 and not self.gpus_each.is_integer():
            raise FleetError(
                f"--gpus-each wants a part of one card or whole cards, got {self.gpus_each:g}"
            )
        if self.engine is Engine.RAY:
            if device.startswith("cuda") and not self.gpus_each:
                raise FleetError(
                    f"--device {device} with --engine ray wants --gpus-each, such as 0.25: without "
                    "it no task is given a card"
                )
        elif self.ray_address is not None or self.gpus_each:
            name = "--ray-address" if self.ray_address is not None else "--gpus-each"
            raise FleetError(f"{name} is for a Ray cluster; add --engine ray")
        return Machines(self.engine, self.ray_address, self.gpus_each)
