"""A filter of system calls: no network, no commands, no other process, no change of files' owners.

The filter is a program for the kernel's packet filter (seccomp(2), bpf(4)), put together here,
since it is short and the library for it (libseccomp) is not installed everywhere.
"""

import ctypes
import os
import platform
import struct
from collections.abc import Iterator
from dataclasses import dataclass

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
"""Instructions: load a word, compare or test it and jump, end."""
NUMBER, MACHINE, FIRST_ARGUMENT = 0, 4, 16
"""Where the kernel puts the call's number, the machine and the first argument."""
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000
EPERM, ENOSYS = 1, 38
CLONE_THREAD = 0x00010000
LOCAL = 1
"""The family of sockets within a machine (AF_UNIX)."""
NO_NEW_PRIVILEGES, SET_FILTER, FILTER_MODE = 38, 22, 2
"""Of prctl(2)."""


@dataclass(frozen=True, slots=True)
class Machine:
    """The numbers of system calls on one kind of processor."""

    code: int
    clone: int
    tgkill: int
    socket: int
    listening: tuple[int, int]
    """bind and listen."""
    first_foreign: int | None
    """Numbers from this on belong to another calling convention."""
    refused: tuple[int, ...]


# In the order of the groups: sockets, but for what CUDA does with one; starting commands; signals;
# looking into other processes; namespaces and mounts; kernel interfaces that go past a filter;
# keys; modules and the machine; owners, modes, times and attributes of files, which Landlock does
# not cover.
MACHINES = {
    "x86_64": Machine(
        code=0xC000003E,
        clone=56,
        tgkill=234,
        socket=41,
        listening=(49, 50),
        first_foreign=0x40000000,
        refused=(
            *(42, 43, 44, 46, 53, 288, 307),
            *(57, 58, 59, 322),
            *(62, 129, 200, 297, 424),
            *(101, 310, 311, 434, 438),
            *(155, 161, 165, 166, 272, 308, 428, 429, 430, 442),
            *(298, 321, 323, 425, 426, 427),
            *(248, 249, 250),
            *(167, 169, 175, 176, 246, 313, 320),
            *(90, 91, 92, 93, 94, 132, 188, 189, 190, 197, 198, 199, 235, 260, 261, 268, 280),
            *(452, 463, 466),
        ),
    ),
    "aarch64": Machine(
        code=0xC00000B7,
        clone=220,
        tgkill=131,
        socket=198,
        listening=(200, 201),
        first_foreign=None,
        refused=(
            *(199, 202, 203, 206, 211, 242, 269),
            *(221, 281),
            *(129, 130, 138, 240, 424),
            *(117, 270, 271, 434, 438),
            *(39, 40, 41, 51, 97, 268, 428, 429, 430, 442),
            *(241, 280, 282, 425, 426, 427),
            *(217, 218, 219),
            *(104, 105, 106, 142, 224, 273, 294),
            *(5, 6, 7, 14, 15, 16, 52, 53, 54, 55, 88),
            *(452, 463, 466),
        ),
    ),
}
CLONE3 = 435
"""The same everywhere, as are all numbers from 424 on."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def restrict(*, card: bool) -> bool:
    """Filter this thread's system calls, and those of all threads that it starts, for good.

    Args:
        card: Whether CUDA may be used, which listens on a socket within the machine and does not
            start if it can't. Nobody is let in there, and no other socket can be reached.

    Returns:
        Whether it was done; False on a machine or kernel without it.
    """
    machine = MACHINES.get(platform.machine())
    if machine is None:
        return False
    code = b"".join(_program(machine, os.getpid(), card=card))
    kept = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(kept))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    if prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        return False
    return bool(prctl(SET_FILTER, FILTER_MODE, ctypes.addressof(program), 0, 0) == 0)


def _program(machine: Machine, process: int, *, card: bool) -> Iterator[bytes]:
    yield _step(LOAD, MACHINE)
    yield _step(EQUAL, machine.code, yes=1)
    yield _step(RETURN, KILL)
    yield _step(LOAD, NUMBER)
    if machine.first_foreign is not None:
        yield _step(AT_LEAST, machine.first_foreign, no=1)
        yield _step(RETURN, REFUSE | EPERM)
    # Its arguments lie in memory, where a filter can't look. Libraries then use clone.
    yield from _ends(CLONE3, REFUSE | ENOSYS)
    of_cuda = (machine.socket, *machine.listening)
    for number in machine.refused if card else (*machine.refused, *of_cuda):
        yield from _ends(number, REFUSE | EPERM)
    if card:
        yield from _ends_unless(machine.socket, LOCAL)
    # Threads are needed to compute; another process could outlive the audit.
    yield _step(EQUAL, machine.clone, no=4)
    yield _step(LOAD, FIRST_ARGUMENT)
    yield _step(ANY_BIT, CLONE_THREAD, yes=1)
    yield _step(RETURN, REFUSE | EPERM)
    yield _step(RETURN, ALLOW)
    # An abort sends a signal to the own process.
    yield _step(EQUAL, machine.tgkill, no=3)
    yield _step(LOAD, FIRST_ARGUMENT)
    yield _step(EQUAL, process, yes=1)
    yield _step(RETURN, REFUSE | EPERM)
    yield _step(RETURN, ALLOW)


def _ends_unless(number: int, argument: int) -> Iterator[bytes]:
    """Refuse a call unless its first argument is this one."""
    yield _step(EQUAL, number, no=4)
    yield _step(LOAD, FIRST_ARGUMENT)
    yield _step(EQUAL, argument, no=1)
    yield _step(RETURN, ALLOW)
    yield _step(RETURN, REFUSE | EPERM)


def _ends(number: int, result: int) -> tuple[bytes, bytes]:
    return _step(EQUAL, number, no=1), _step(RETURN, result)


def _step(code: int, value: int, *, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("<HBBI", code, yes, no, value)
