"""Everything auditkit raises on purpose.

AuditkitError
├── BundleError
│   ├── BundleFormatError
│   └── BundleIntegrityError
├── PluginError
│   ├── UnknownPluginError
│   └── MissingRuntimeError
├── OwnerError
│   ├── OwnerLoadError
│   └── InputSpecError
├── SamplesError
├── FingerprintError
├── SuspectError
│   ├── SuspectLoadError
│   │   └── IsolationError
│   ├── SuspectMismatchError
│   ├── CrashError
│   ├── TimeLimitError
│   └── QueryError
│       ├── TransientError
│       │   └── UnreachableError
│       ├── BatchError
│       ├── ReplyError
│       └── BudgetError
├── EvidenceError
├── SigningKeyError
├── SignatureError
│   └── TimeStampError
├── TrainedModelsError
├── JournalError
├── LedgerError
├── FleetError
└── BenchmarkError

Messages are one line: what was wanted, what was got, what to do. Misuse by the programmer stays
`ValueError` or `TypeError`; few or odd answers are no errors but an inconclusive verdict. Each
class has a `code`, which a refused suspect carries into the reports.
"""

from auditkit.core.escape import clean


class AuditkitError(Exception):
    """Anything auditkit raises on purpose."""

    code = "failed"

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows of it: the message alone, as on the command line."""
        return [f"auditkit: {clean(str(self), 400)}"]


class BundleError(AuditkitError):
    """A fingerprint bundle can't be used."""

    code = "bundle"


class BundleFormatError(BundleError):
    """Not a bundle, or a format that this version does not read."""

    code = "bundle-format"


class BundleIntegrityError(BundleError):
    """The contents do not match the digests they were written with."""

    code = "bundle-changed"


class PluginError(AuditkitError):
    """A method, adapter, identification or report can't be loaded."""

    code = "plug-in"


class UnknownPluginError(PluginError):
    """No plug-in of that name; the message lists those there are."""

    code = "unknown-plug-in"


class MissingRuntimeError(PluginError):
    """A plug-in needs a package that is not installed; the message says how to get it."""

    code = "missing-package"


class OwnerError(AuditkitError):
    """The owner's model can't be used."""

    code = "owner"


class OwnerLoadError(OwnerError):
    """The owner's model can't be opened, or is of a kind that can't be fingerprinted."""

    code = "owner-unreadable"


class InputSpecError(OwnerError):
    """The input's shape or range is unknown or contradictory."""

    code = "input-unknown"


class SamplesError(AuditkitError):
    """The natural samples can't be read or do not fit the model."""

    code = "samples"


class FingerprintError(AuditkitError):
    """No fingerprint could be made of this owner."""

    code = "no-fingerprint"


class SuspectError(AuditkitError):
    """A suspect can't be audited."""

    code = "suspect"


class SuspectLoadError(SuspectError):
    """The suspect can't be opened."""

    code = "cannot-open"


class IsolationError(SuspectLoadError):
    """The suspect must not be opened without walls that this machine does not have."""

    code = "not-isolated"


class CrashError(SuspectError):
    """The process that ran the suspect ended, or sent what is no reply."""

    code = "crashed"


class TimeLimitError(SuspectError):
    """The suspect took longer than it is given."""

    code = "time-limit"


class SuspectMismatchError(SuspectError):
    """The suspect takes inputs of another shape or kind than the bundle's points."""

    code = "does-not-fit"


class QueryError(SuspectError):
    """The suspect failed while answering, or its answer makes no sense."""

    code = "cannot-answer"


class TransientError(QueryError):
    """The suspect is busy, slow or out of reach for now: the same question may work later."""

    code = "out-of-reach"

    def __init__(self, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after
        """Seconds that it asked to wait; None: it did not say."""


class UnreachableError(TransientError):
    """Nobody is there: the connection is refused, or the name stands for no machine."""


class BatchError(QueryError):
    """The suspect refuses the question as it is; fewer points at once may pass."""

    code = "batch-refused"


class ReplyError(QueryError):
    """A whole reply came and holds no answer; a later one may."""

    def __init__(self, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.final = final
        """Whether the same point would get the same reply again."""


class BudgetError(QueryError):
    """Asking further would send more points than the budget allows."""

    code = "budget-spent"


class EvidenceError(AuditkitError):
    """An evidence file can't be used with this bundle."""

    code = "evidence"


class SigningKeyError(AuditkitError):
    """A key file can't be read or made."""

    code = "key"


class SignatureError(AuditkitError):
    """A signature is missing or does not hold."""

    code = "signature"


class TimeStampError(SignatureError):
    """A time stamp does not hold, or stamps something else."""

    code = "time-stamp"


class TrainedModelsError(AuditkitError):
    """A folder can't take the models that are trained for an owner."""

    code = "trained-models"


class JournalError(AuditkitError):
    """A journal can't be used: not one, in use, or changed after it was written."""

    code = "journal"


class LedgerError(AuditkitError):
    """A ledger can't be used: another program's, of a later version, or on a full disk."""

    code = "ledger"


class FleetError(AuditkitError):
    """A scan can't go on: nothing to examine, or its workers can't be started."""

    code = "scan"


class BenchmarkError(AuditkitError):
    """A benchmark's models or results can't be used."""

    code = "models-folder"
