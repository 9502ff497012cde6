"""Points enter every kind of suspect by one function over what the suspect says it takes."""

from dataclasses import replace

import numpy as np
import pytest

from auditkit.adapters.base import Port, Values
from auditkit.core.errors import SuspectMismatchError
from auditkit.core.points import InputSpec
from auditkit.suspects.fitting import arrangements, fits

SPEC = InputSpec((3, 4, 6), (0.0,), (1.0,), mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1))
POINTS = (np.random.default_rng(0).integers(0, 256, (5, 3, 4, 6)) / 255).astype(np.float32)
MEAN, STD = (np.array(v, np.float32).reshape(1, 3, 1, 1) for v in (SPEC.mean, SPEC.std))
OWN = (POINTS - MEAN) / STD
PORT = Port("here")


def arranged(port: Port, *, spec=SPEC, points=POINTS, resize=False) -> np.ndarray:
    """The suspect's batch."""
    return arrangements(spec, port, resize=resize)[0](points)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, OWN),
        ({"shape": (3, 4, 6)}, OWN),
        ({"shape": (None, None, None)}, OWN),
        ({"shape": (4, 6, 3)}, np.moveaxis(OWN, 1, -1)),
        ({"channels_last": True}, np.moveaxis(OWN, 1, -1)),
        ({"channels_last": True, "shape": (None, None, None)}, np.moveaxis(OWN, 1, -1)),
        ({"shape": (72,)}, OWN.reshape(5, 72)),
        ({"dtype": np.dtype(np.float64)}, OWN),
        ({"dtype": np.dtype(np.float16)}, OWN.astype(np.float16)),
        ({"values": Values.UNIT}, POINTS),
        ({"values": Values.POINTS}, POINTS),
        ({"dtype": np.dtype(np.uint8)}, np.rint(POINTS * 255)),
        ({"dtype": np.dtype(np.uint8), "values": Values.PIXELS}, np.rint(POINTS * 255)),
        ({"dtype": np.dtype(np.int32)}, np.rint(POINTS * 255)),
        (
            {"dtype": np.dtype(np.int64), "shape": (4, 6, 3)},
            np.rint(POINTS * 255).transpose(0, 2, 3, 1),
        ),
        ({"dtype": np.dtype(np.int8)}, np.rint(POINTS * 255) - 128),
        ({"batch_axis": 3}, np.moveaxis(OWN, 0, 3)),
    ],
)
def test_points_become_what_the_port_takes(changes, expected):
    """Layout, number type and values are the suspect's, whoever it is."""
    port = replace(PORT, **changes)
    found = arranged(port)
    assert found.dtype == port.dtype
    assert found.flags.c_contiguous
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("values", Values)
def test_a_batch_is_nobodys_but_the_suspects(values):
    """Whatever it writes there, the points stay as they are."""
    dtype = np.dtype(np.uint8 if values is Values.PIXELS else np.float32)
    plain = replace(SPEC, mean=(), std=())
    points = POINTS.copy()
    arranged(replace(PORT, values=values, dtype=dtype), spec=plain, points=points)[:] = 7
    np.testing.assert_array_equal(points, POINTS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": (3, 8, 8)}, r"\(3, 8, 8\), the points have \(3, 4, 6\); add --resize"),
        ({"shape": (None, 8)}, r"\(any, 8\).*it can't be asked"),
        ({"dtype": np.dtype(np.bool_)}, "takes bool inputs"),
        ({"batch": 2**31}, "2147483648 points at once"),
        ({"batch": -(-(1 << 30) // (72 * 4)) + 1}, "points at once"),
    ],
)
def test_what_does_not_fit_is_one_line(changes, message):
    """The message says what the suspect takes and what would help."""
    with pytest.raises(SuspectMismatchError, match=message) as caught:
        arrangements(SPEC, replace(PORT, **changes), resize=False)
    assert "\n" not in str(caught.value)


def test_whole_numbers_of_a_table_are_refused():
    """Only images have pixels that could be given as whole numbers."""
    table = InputSpec((6,), (-1.0,), (1.0,))
    with pytest.raises(SuspectMismatchError, match="token ids can't be asked"):
        arrangements(table, replace(PORT, dtype=np.dtype(np.int32)), resize=False)


def test_one_point_without_a_batch_axis_is_given_alone():
    """A file whose axes are all fixed, and are those of one point, gets one point at a time."""
    for shape in ((3, 4, 6), (4, 6, 3)):
        port = replace(PORT, batch=shape[0], shape=shape[1:])
        [way] = arrangements(SPEC, port, resize=False)
        assert way(POINTS[:1]).shape == shape
        assert [fit.size for fit in fits([way], port)] == [1]


def test_large_inputs_go_in_few_at_a_time():
    """Memory is for as many as help; a file that has another size inside is still asked by it."""
    spec = InputSpec((3, 224, 224), (0.0,), (1.0,))
    ways = arrangements(spec, replace(PORT, local=True), resize=False)
    sizes = [fit.size for fit in fits(ways, replace(PORT, local=True))]
    assert sizes[0] == 13
    assert {100, 64, 32, 16, 1} <= {*sizes}
    assert [fit.size for fit in fits(ways, PORT)] == [100]


def test_sizes_are_changed_only_when_asked_for():
    """By --resize, or where a description names the size itself."""
    plain = replace(SPEC, mean=(), std=())
    for port, resize in (
        (replace(PORT, shape=(3, 8, 8)), True),
        (replace(PORT, shape=(3, 8, 8), fits_any_size=True), False),
    ):
        found = arranged(port, spec=plain, resize=resize)
        assert found.shape == (5, 3, 8, 8)
        np.testing.assert_allclose(found.mean(axis=(2, 3)), POINTS.mean(axis=(2, 3)), atol=0.1)


def test_sizes_that_no_memory_holds_are_refused():
    """A file that asks for pictures of a million pixels a side gets none."""
    port = replace(PORT, shape=(3, 10**6, 10**6))
    with pytest.raises(SuspectMismatchError, match="not made that large"):
        arrangements(SPEC, port, resize=True)
