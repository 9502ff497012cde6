"""A suspect that is opened once and examined with one bundle after the other."""

from auditkit.adapters import Suspect, identified
from auditkit.adapters.base import Adapter
from auditkit.adapters.wire.addresses import shown
from auditkit.core.errors import SuspectMismatchError, TimeLimitError
from auditkit.core.evidence import Evidence
from auditkit.core.progress import Progress, silent
from auditkit.core.requests import Asking
from auditkit.core.verdicts import Examination, Refusal
from auditkit.files.bundle import Bundle
from auditkit.judging.judge import judge
from auditkit.suspects.examiner import ask, check, closed, query, reached
from auditkit.suspects.isolation.isolated import renewed


class Session:
    """One suspect. It gives the verdicts of `examine`, and is opened for the first bundle alone.

    A suspect that can't be opened is refused for every bundle, and so is one that used up its time
    for one of them. One that fails while it answers is opened anew for the next bundle.
    """

    def __init__(self, suspect: str, asking: Asking = Asking()) -> None:
        """Name a suspect; nothing is opened yet.

        Args:
            suspect: As users name it: a file, an address, `python:module:function`.
            asking: How much is asked, and how.
        """
        self._name, self._asking = suspect, asking
        self._adapter: Adapter | None = None
        self._refused: BaseException | None = None

    def examine(self, bundle: Bundle, progress: Progress = silent) -> Examination:
        """Ask and judge the suspect; total, as `auditkit.suspects.examiner.examine` is.

        Args:
            bundle: Whose points are asked.
            progress: Told how far it is.
        """
        name = shown(self._name)
        evidence = None
        try:
            evidence = self._asked(bundle, progress)
            return Examination(name, judge(bundle, evidence), evidence)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stranger's code may raise anything, SystemExit included
            return Examination(name, Refusal.of(name, error), evidence)

    def close(self) -> None:
        """Close the suspect; a second call does nothing."""
        if self._adapter is not None:
            closed(self._adapter)
        self._adapter = None

    def _asked(self, bundle: Bundle, progress: Progress) -> Evidence:
        check(bundle, self._asking)
        found = identified(self._name)
        if not found.kind.same_for_all:
            return query(bundle, self._name, self._asking, progress)
        adapter = self._opened(found)
        try:
            return ask(bundle, found, adapter, self._asking, progress)
        except SuspectMismatchError:
            raise  # it was not asked anything that it failed at
        except BaseException as error:
            self.close()
            if isinstance(error, TimeLimitError):
                self._refused = error
            raise

    def _opened(self, found: Suspect) -> Adapter:
        if self._refused is not None:
            raise self._refused
        if self._adapter is None:
            try:
                self._adapter = reached(found, self._asking)
            except BaseException as error:
                self._refused = error
                raise
        else:
            renewed(self._adapter)
        return self._adapter
