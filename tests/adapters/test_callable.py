"""Functions as suspects beyond the battery: asynchronous ones, and what they raise."""

import sys
import threading
import time

import numpy as np
import pytest

from auditkit import adapters, api
from auditkit.core.errors import QueryError, TransientError
from auditkit.core.requests import Asking, Isolation, Options, Patience
from auditkit.core.verdicts import Decision, Verdict
from tests.conftest import COPY, SHAPE, answered_by

POINTS = np.zeros((2, *SHAPE), np.float32)


@pytest.fixture
def vendor(tmp_path, monkeypatch):
    """A writer of a module with functions to ask."""
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "weights.npy", COPY)

    def write(body: str) -> None:
        (tmp_path / "vendor_api.py").write_text(
            "import asyncio\nimport numpy as np\nW = np.load('weights.npy')\n" + body
        )
        sys.modules.pop("vendor_api", None)

    return write


def opened():
    """The function's adapter."""
    return adapters.open_suspect(adapters.identified("python:vendor_api:ask"), Options("cpu"))


SLOW = """
inside, most, loops = 0, 0, set()
async def ask(x):
    global inside, most
    inside += 1
    most = max(most, inside)
    loops.add(id(asyncio.get_running_loop()))
    await asyncio.sleep(0.02)
    inside -= 1
    return x.reshape(len(x), -1) @ W
"""


def test_an_async_function_is_asked_at_once(bundle, vendor):
    """Several questions are under way together, in one loop, and the verdict is the file's."""
    vendor(SLOW)
    # In this process, so that its module can be looked into.
    options = Options("cpu", isolation=Isolation.OFF)
    asking = Asking(options=options, patience=Patience(lanes=4))
    [found] = api.audit(bundle, ["python:vendor_api:ask"], asking)
    assert isinstance(found.outcome, Verdict)
    assert found.outcome.decision is Decision.PIRATED
    module = sys.modules["vendor_api"]
    assert len(module.loops) == 1
    assert 1 <= module.most <= 4


def test_many_threads_share_one_loop(vendor):
    """What a function keeps open in its loop stays usable for each of its askers."""
    vendor(SLOW)
    adapter, rows = opened(), []
    threads = [
        threading.Thread(target=lambda: rows.append(adapter.answer(POINTS))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    adapter.close()
    assert len(rows) == 4
    assert sys.modules["vendor_api"].most > 1
    assert len(sys.modules["vendor_api"].loops) == 1


def test_closing_ends_the_loop(vendor):
    """No thread is left behind."""
    vendor(SLOW)
    before = threading.active_count()
    adapter = opened()
    adapter.answer(POINTS)
    adapter.close()
    time.sleep(0.05)
    assert threading.active_count() == before


@pytest.mark.parametrize("kind", ["", "async "])
@pytest.mark.parametrize(
    ("raised", "error"),
    [
        ("TimeoutError('slow')", TransientError),
        ("ConnectionResetError('gone')", TransientError),
        ("ValueError('wrong')", QueryError),
        ("SystemExit(0)", QueryError),
    ],
)
def test_what_a_function_raises_is_one_line(bundle, vendor, kind, raised, error):
    """Passing troubles are asked again, others end the audit; nobody chooses our exit code."""
    vendor(f"{kind}def ask(x):\n    raise {raised}\n")
    adapter = opened()
    with pytest.raises(QueryError, match=f"the suspect raised {raised.partition('(')[0]}") as found:
        answered_by(adapter, POINTS, bundle.fingerprint.spec, patience=Patience(longest=0))
    assert type(found.value) is error
    adapter.close()


def test_a_function_that_stops_its_loop_is_one_line(vendor):
    """Nobody waits for ever for an answer that can't come."""
    vendor("async def ask(x):\n    asyncio.get_running_loop().stop()\n    await asyncio.sleep(9)\n")
    adapter = opened()
    with pytest.raises(QueryError, match="stopped the event loop"):
        adapter.answer(POINTS)
    adapter.close()
