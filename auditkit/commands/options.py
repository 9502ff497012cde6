"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

from auditkit.commands.inputs import device
from auditkit.core.requests import Isolation

BundlePath = Annotated[
    Path,
    typer.Argument(
        metavar="BUNDLE", help="The fingerprint bundle (.fp) that `auditkit fingerprint` made."
    ),
]
Device = Annotated[
    str,
    typer.Option(
        callback=device,
        help="Where models are run: cpu, cuda, cuda:N for card N, or auto, which takes a GPU if "
        "one works.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        help="How the report is shown: terminal, json, html, pdf, markdown, csv, sarif, junit or "
        "cyclonedx; by default as the suffix of -o says, on the screen as terminal.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="The same as --format json.")]
Explain = Annotated[
    bool,
    typer.Option("--explain", help="End the report with what its words mean; terminal only."),
]
Output = Annotated[
    list[Path] | None,
    typer.Option(
        "--output",
        "-o",
        help="Write the report to this file instead of the screen: .html, .pdf, .md, .csv, "
        ".sarif, .xml (JUnit), .cdx.json (CycloneDX), .json or .txt; may be given several times.",
    ),
]
TallyFormat = Annotated[
    str,
    typer.Option("--format", "-f", help="How the table is shown: terminal or json."),
]
TallyOutput = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Write the table to this file instead of the screen."),
]
Pictures = Annotated[
    bool,
    typer.Option(
        "--pictures",
        help="Show core points as pictures in an HTML report. Whoever sees them can train a copy "
        "to answer them otherwise.",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Show no progress bar and no remarks on stderr.")
]
# Never done unasked: resizing changes the points, and up to half of them lose the owner's label
# on the way (docs/decisions/0006-remote.md).
Resize = Annotated[
    bool,
    typer.Option(
        "--resize",
        help="Resize the points if a model takes images of another size than the owner's model.",
    ),
]
ModelOutput = Annotated[
    str,
    typer.Option(
        "--model-output",
        metavar="NAME",
        help="The output to read of models with several; otherwise each that could be the owner's "
        "is read, and the closest counts.",
    ),
]
# A stranger's file can run code, hang or fill the memory (SECURITY.md).
HowIsolated = Annotated[
    Isolation,
    typer.Option(
        "--isolation",
        help="Suspects that are files answer from a process of their own, without network and "
        "write access. auto: as far as this machine can; require: not at all where it can't; off: "
        "in this process.",
    ),
]
LONGEST = 1e7
"""Seconds that an option may ask to wait, four months; clocks of the system take no number."""
SuspectSeconds = Annotated[
    float,
    typer.Option(
        min=0.1,
        max=LONGEST,
        help="Longest time in seconds to open a suspect's file and get all of its answers.",
    ),
]
SuspectMemory = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        max=1e6,
        help="Most memory in GB that a suspect's file may use; otherwise half of this machine's.",
        show_default=False,
    ),
]

# The owner's model.
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="The owner's model: model.pt2, TorchScript model.pt, package.module:factory or "
        "file.py:Class, with arguments if it needs any: timm:create_model('resnet18').",
    ),
]
Data = Annotated[
    Path,
    typer.Option(
        help="Labelled training data: an npz file with x and y, or a folder with one subfolder of "
        "images per class."
    ),
]
ModelFolder = Annotated[
    Path, typer.Option("--output", "-o", help="Folder that the trained models are written to.")
]
Epochs = Annotated[
    int,
    typer.Option(min=1, help="Passes over the data for each model that is trained from scratch."),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        help="Weights for a factory that does not bring its own: a safetensors file, a saved state "
        "dict or a checkpoint."
    ),
]
Head = Annotated[
    str,
    typer.Option(
        help="Which output holds the scores, by name or place, of a model that returns several, "
        "e.g. logits."
    ),
]
Classes = Annotated[
    Path | None,
    typer.Option(
        help="Text file that names the model's classes, one a line, in the order of its outputs: "
        "tells the classes of folders of samples that are not named by numbers."
    ),
]
ResizeSamples = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Pixels of a side that images in a folder of samples are shrunk and cropped to.",
    ),
]
Shape = Annotated[
    str | None,
    typer.Option(
        "--input-shape",
        help="Shape of one input, e.g. 3,32,32; otherwise read from the model file or the data.",
    ),
]
Range = Annotated[
    str | None,
    typer.Option(
        "--input-range",
        help="Least and greatest input value, e.g. 0,1; otherwise read from the model file or the "
        "data.",
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(
        help="Mean of each channel, e.g. 0.5,0.5,0.5, to subtract from an input before the model "
        "gets it; needs --std."
    ),
]
Std = Annotated[
    str | None,
    typer.Option(help="Standard deviation of each channel, to divide by after --mean."),
]
Seed = Annotated[
    int,
    typer.Option(min=0, help="Seed of all random choices; the same seed gives the same result."),
]

# Suspects behind an address.
JournalPath = Annotated[
    Path | None,
    typer.Option(
        help="SQLite file that records every question and answer, so that an interrupted audit can "
        "go on. For suspects behind an address it is auditkit.journal unless another is named."
    ),
]
# Counts what is sent, not what comes back: a vendor charges for failed requests as well.
Budget = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Send at most this many points to a suspect, repetitions and retries included, over "
        "all audits in one journal.",
    ),
]
Rate = Annotated[
    float | None, typer.Option(min=0.001, help="Send at most this many requests a second.")
]
Concurrency = Annotated[
    int, typer.Option(min=1, max=64, help="Number of requests that may be open at the same time.")
]
Longest = Annotated[
    float,
    typer.Option(
        "--patience",
        min=0,
        max=LONGEST,
        help="How many seconds a failing request is retried before it is given up.",
    ),
]
# A secret on the command line would be in the shell's history and in every list of processes.
Header = Annotated[
    list[str] | None,
    typer.Option(
        help="HTTP header 'NAME: VALUE' for each request; may be given several times. Write "
        "secrets as ${NAME} (environment variable) or ${file:PATH}."
    ),
]
# Of a whole reply and not of one read: a server that drips bytes could hold an audit for ever.
Timeout = Annotated[
    float, typer.Option(min=0.1, max=LONGEST, help="How many seconds one reply may take.")
]
AllowHttp = Annotated[
    bool,
    typer.Option(
        "--allow-http", help="Allow unencrypted http:// and grpc:// addresses on other machines."
    ),
]
# Off unless asked for: a description from a stranger could otherwise make the auditor's machine ask
# services in the auditor's own network.
AllowPrivate = Annotated[
    bool, typer.Option("--allow-private", help="Allow addresses in private networks.")
]
# Proxies of the environment are not used: points and tokens would pass through them unnoticed.
Proxy = Annotated[
    str | None,
    typer.Option(
        help="Address of a proxy for all requests; proxies set in the environment are not used."
    ),
]
Authorities = Annotated[
    Path | None,
    typer.Option(
        "--ca", help="PEM file of certificate authorities to trust instead of the system's."
    ),
]

# Signatures.
PrivateKey = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="KEY",
        help="Your private key (`auditkit keygen`): seals the journal, keeps every question and "
        "answer in the evidence, and signs evidence and report.",
    ),
]
PublicKeyPath = Annotated[
    Path | None,
    typer.Option(
        "--public",
        metavar="KEY.pub",
        help="The owner's public key: a bundle that it did not sign is refused.",
    ),
]
StampAuthorities = Annotated[
    list[Path] | None,
    typer.Option(
        "--authority",
        metavar="CERT.pem",
        help="Certificate of an authority whose time stamps are believed; may be given several "
        "times. Needs the extra timestamps.",
    ),
]
