"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Fingerprint bundle (.fp).")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Format = Annotated[str, typer.Option("--format", "-f", help="terminal or json.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Write there instead.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress and no remarks.")]
Resize = Annotated[
    bool, typer.Option("--resize", help="Resize points to the size that a suspect takes.")
]
TrustTorch = Annotated[
    bool,
    typer.Option(
        "--trust-torch",
        help="Open TorchScript and .pt2 files, whose authors can then run code on this machine.",
    ),
]

# The owner's model.
Model = Annotated[
    str, typer.Argument(help="model.pt2, TorchScript model.pt, or package.module:factory.")
]
Weights = Annotated[Path | None, typer.Option(help="For a factory: safetensors or a state dict.")]
Shape = Annotated[str | None, typer.Option("--input-shape", help="E.g. 3,32,32.")]
Range = Annotated[str | None, typer.Option("--input-range", help="E.g. 0,1.")]
Mean = Annotated[str | None, typer.Option(help="Subtracted from each channel before the model.")]
Std = Annotated[str | None, typer.Option(help="Divides each channel before the model.")]
Seed = Annotated[int, typer.Option(min=0, help="Fixes everything random.")]

# Suspects behind an address.
JournalPath = Annotated[
    Path | None,
    typer.Option(
        help="SQLite file of everything asked and answered; auditkit.journal for an address."
    ),
]
Budget = Annotated[int | None, typer.Option(min=1, help="Points sent at most.")]
Rate = Annotated[float | None, typer.Option(min=0.001, help="Requests a second at most.")]
Concurrency = Annotated[int, typer.Option(min=1, max=64, help="Requests at once at most.")]
Longest = Annotated[
    float, typer.Option("--patience", min=0, help="Seconds for which a request is tried.")
]
Header = Annotated[
    list[str] | None,
    typer.Option(
        help="'NAME: VALUE'; a secret as ${NAME} of the environment or ${file:PATH}; repeatable."
    ),
]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds for one reply.")]
AllowHttp = Annotated[bool, typer.Option("--allow-http", help="Ask without encryption.")]
AllowPrivate = Annotated[
    bool, typer.Option("--allow-private", help="Ask addresses of private networks.")
]
Proxy = Annotated[str | None, typer.Option(help="Ask through this proxy; none is used unasked.")]
Authorities = Annotated[Path | None, typer.Option("--ca", help="PEM file of authorities to trust.")]
