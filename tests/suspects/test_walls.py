"""The walls of a machine with a card let CUDA's driver start, and let nobody else out."""

import subprocess
import sys

import pytest

MEMORY = 1 << 30
RAISED = """
import ctypes, os, socket, threading
from pathlib import Path
from auditkit.suspects.isolation import walls
libc = ctypes.CDLL(None, use_errno=True)

def named(name):
    def name_it():
        Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name)
        seen.append(Path(f"/proc/self/task/{threading.get_native_id()}/comm").read_text().strip())
    seen = []
    thread = threading.Thread(target=name_it)
    thread.start()
    thread.join()
    return seen == [name]

def listening():
    there = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    there.bind("\\0cuda-uvmfd-" + str(os.getpid()))
    there.listen()
    return there

def nameless():
    made = os.memfd_create("cuda")
    os.ftruncate(made, 1 << 20)
    return made

def reserved():
    libc.mmap.restype = ctypes.c_void_p
    nothing, private_and_nameless = 0, 0x22
    found = libc.mmap(None, ctypes.c_size_t(1 << 40), nothing, private_and_nameless, -1, 0)
    assert found != ctypes.c_void_p(-1).value
    return found

walls.raise_walls([], MEMORY, card=CARD)
"""


def behind(expression: str, *, card: bool) -> str:
    """What an expression is, or the error that it raises, in a process behind walls."""
    code = RAISED.replace("MEMORY", str(MEMORY)).replace("CARD", str(card))
    told = f"try:\n    print(repr({expression}))\nexcept BaseException as error:\n    print(error)"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{told}"], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


@pytest.mark.parametrize(
    "expression",
    [
        "named('cuda-worker')",
        "bool(listening())",
        "bool(nameless())",
        "bool(reserved())",
        "bool(Path('/proc/self/maps').read_text())",
        "bool(Path('/proc/self/status').read_text())",
        "bool(Path('/proc/devices').read_text())",
        "bool(Path('/proc/sys/vm/mmap_min_addr').read_text())",
    ],
)
def test_what_cuda_does_when_it_starts_is_let_through(expression):
    """Its driver was seen to do each of these, and does not start if one fails."""
    assert behind(expression, card=True) == "True"


@pytest.mark.parametrize("expression", ["named('cuda')", "listening()", "nameless()", "reserved()"])
def test_without_a_card_nobody_needs_it(expression):
    """Each is refused on other machines."""
    assert "True" not in behind(expression, card=False)


@pytest.mark.parametrize(
    "expression",
    [
        "socket.socket()",
        "socket.socket(socket.AF_INET6)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "socket.socketpair()",
        "socket.socket(socket.AF_UNIX).connect('/run/docker.sock')",
        "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', '/dev/log')",
        "listening().accept()",
        "socket.socket(socket.AF_UNIX).bind('/tmp/mark')",
        "Path(f'/proc/{os.getppid()}/comm').write_text('x')",
        "Path('/proc/self/oom_score_adj').write_text('0')",
        "Path('/proc/sys/vm/drop_caches').write_text('1')",
        "list(Path('/home').iterdir())",
        "open('/tmp/mark', 'w')",
        "os.fork()",
        "os.kill(os.getppid(), 0)",
        "bytearray(3 << 30)",
    ],
)
def test_nobody_gets_past_the_walls_of_a_machine_with_a_card(expression):
    """What CUDA needs opens no way to files, other processes or the network."""
    told = behind(expression, card=True)
    assert "not permitted" in told or "denied" in told or told == "", told


def test_who_takes_too_much_memory_is_ended_first():
    """The kernel would otherwise end whoever is largest, perhaps the auditor."""
    assert behind("open(f'/proc/self/task/{os.getpid()}/oom_score_adj').read()", card=True) == (
        repr("1000\n")
    )


def test_every_wall_holds_beside_a_card():
    """Each is tried, as for any worker."""
    assert behind(f"walls.held({MEMORY}) == frozenset(walls.Wall)", card=True) == "True"
