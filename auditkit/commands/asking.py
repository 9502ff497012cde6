"""How suspects are asked: the options that `auditkit check` and `auditkit scan` share."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from auditkit.commands import remote
from auditkit.commands.options import (
    AllowHttp,
    AllowPrivate,
    Authorities,
    Budget,
    Concurrency,
    Device,
    Header,
    HowIsolated,
    Longest,
    ModelOutput,
    Proxy,
    Rate,
    Resize,
    SuspectMemory,
    SuspectSeconds,
    Timeout,
)
from auditkit.core.access import Access
from auditkit.core.requests import Isolation, Limits

if TYPE_CHECKING:
    from auditkit.core.requests import Asking


@dataclass(frozen=True, slots=True)
class HowAsked:
    """What of a suspect's answers is used, within which limits, and how far it may be reached."""

    access: Annotated[
        Access,
        typer.Option(
            help="The most detailed kind of answer that is used, even if a suspect reveals more."
        ),
    ] = Access.LOGITS
    sequential: Annotated[
        bool | None,
        typer.Option(
            "--sequential/--whole",
            help="Ask point by point and stop as soon as the answers decide (needs "
            "twins), or ask all points. By default suspects behind an address are asked point by "
            "point if the bundle has twins, and all others about all points.",
        ),
    ] = None
    thorough: Annotated[
        bool | None,
        typer.Option(
            "--thorough/--quick",
            help="Whether the natural points of a line-up are asked as well, up to 4,000; by "
            "default of files, where it takes less than a minute.",
        ),
    ] = None
    budget: Budget = None
    rate: Rate = None
    concurrency: Concurrency = 8
    patience: Longest = 120.0
    header: Header = None
    timeout: Timeout = 30.0
    allow_http: AllowHttp = False
    allow_private: AllowPrivate = False
    proxy: Proxy = None
    ca: Authorities = None
    device: Device = "auto"
    resize: Resize = False
    model_output: ModelOutput = ""
    isolation: HowIsolated = Isolation.AUTO
    suspect_seconds: SuspectSeconds = Limits().seconds
    suspect_memory: SuspectMemory = None

    @property
    def memory(self) -> int | None:
        """Most bytes that a suspect's file may use; None: that was not said."""
        return None if self.suspect_memory is None else int(self.suspect_memory * 1e9)

    def expect(self, named: Sequence[str]) -> None:
        """Begin to load what ONNX files among the suspects need, beside all that comes first.

        Args:
            named: The suspects as the user named them.
        """
        from auditkit.suspects.isolation import forks

        if self.isolation is not Isolation.OFF and any(one.endswith(".onnx") for one in named):
            forks.load("onnx")

    def asking(self, *, threads: int | None = None, memory: int | None = None) -> "Asking":
        """Return the options as one value, without a journal and a key.

        Args:
            threads: Threads that an ONNX file computes with; None: as onnxruntime chooses.
            memory: Most bytes that a suspect's file may use where no option says so; None: half of
                the machine's.

        Raises:
            SuspectError: A header is not of the form `NAME: VALUE`.
        """
        from auditkit.core.requests import Asking, Options, Patience

        reach = remote.reach(self.header, self.timeout, self.proxy, self.ca)
        options = Options(
            self.device,
            self.resize,
            output=self.model_output,
            threads=threads,
            isolation=self.isolation,
            limits=Limits(self.suspect_seconds, self.memory or memory),
            reach=replace(reach, allow_http=self.allow_http, allow_private=self.allow_private),
        )
        return Asking(
            access=self.access,
            options=options,
            sequential=self.sequential,
            thorough=self.thorough,
            patience=Patience(
                budget=self.budget, rate=self.rate, lanes=self.concurrency, longest=self.patience
            ),
        )
