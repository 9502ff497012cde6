"""Core points and the ways to an API: what is lost is measured, and can be avoided."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from auditkit import api
from auditkit.core.errors import BundleFormatError, FingerprintError
from auditkit.core.points import CORE, InputSpec
from auditkit.core.requests import ROBUST, InputFacts, Order
from auditkit.files import bundle as bundles
from auditkit.owner.ascent import Climb, Gait
from auditkit.owner.classifier import place, snapped
from auditkit.owner.opening import load_model
from auditkit.owner.samples import read_samples
from auditkit.owner.transports import robust_transports, survival, surviving, transports
from auditkit.reports.build import summary
from auditkit.reports.inspect import describe

pytestmark = pytest.mark.torch
GREY, COLOUR = InputSpec((1, 8, 8), (0.0,), (1.0,)), InputSpec((3, 9, 7), (0.0,), (255.0,))


@pytest.fixture(scope="module")
def placed(model_file, samples_file):
    """The owner in its domain, and samples of it."""
    device = torch.device("cpu")
    model = load_model(model_file, None, device)
    return place(model, InputFacts(), read_samples(samples_file), device)


@pytest.fixture(scope="module")
def owner(placed):
    """The owner in its domain."""
    return placed[0]


@pytest.fixture(scope="module")
def robust(model_file, samples_file):
    """One whose points survive compression and resizing."""
    return api.fingerprint(
        Order(model_file, samples=samples_file, points=20, siblings=0, robust=ROBUST)
    )


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([GREY, COLOUR]), st.integers(0, 2**32 - 1))
def test_png_keeps_the_grid(spec, seed):
    """An image on the 8-bit grid comes out of a PNG as it went in."""
    drawn = torch.rand((4, *spec.shape), generator=torch.Generator().manual_seed(seed))
    points = snapped(drawn * spec.upper[0], spec)
    assert torch.equal(snapped(transports(spec)["png"](points), spec), points)


@pytest.mark.parametrize("spec", [GREY, COLOUR])
@pytest.mark.parametrize("name", ["png", "jpeg 90", "jpeg 75", "resize"])
def test_ways_stay_in_the_domain_and_can_be_climbed_through(spec, name):
    """What comes out has the shape and range of what went in, and a gradient."""
    points = (torch.rand((3, *spec.shape)) * spec.upper[0]).requires_grad_()
    seen = transports(spec)[name](points)
    assert seen.shape == points.shape
    assert seen.min() >= -1e-3
    assert seen.max() <= spec.upper[0] + 1e-3
    (slope,) = torch.autograd.grad(seen.sum(), points)
    assert slope.abs().sum() > 0


def test_compression_is_real():
    """A lower quality changes noise more."""
    points = snapped(torch.rand((5, *COLOUR.shape)) * 255, COLOUR)
    fine, coarse = (
        (transports(COLOUR)[f"jpeg {quality}"](points) - points).abs().mean()
        for quality in (90, 75)
    )
    assert 0 < fine < coarse


def test_shares_are_recounted(owner, made):
    """The bundle's shares are what the owner itself says of its points on each way."""
    made = made.fingerprint
    points = owner.tensor(made.sheet.of_family(CORE).points)
    labels = owner.answers(points).argmax(1)
    for name, way in transports(owner.spec).items():
        kept = (owner.answers(way(points)).argmax(1) == labels).float().mean()
        assert made.transports[name] == pytest.approx(float(kept), abs=1e-4)
    assert made.transports["png"] == 1
    assert survival(owner, points) == made.transports


def test_robust_points_survive(made, robust):
    """Points made for it keep every label through JPEG and resizing; others do not."""
    assert robust.fingerprint.transports["jpeg 75"] == 1
    assert robust.fingerprint.transports["resize"] == 1
    assert made.fingerprint.transports["resize"] < 1
    assert robust.fingerprint.recipe["robust"] == ["jpeg", "resize"]


def test_a_climb_minds_the_way(placed):
    """Through a way that a climb was told of more points arrive than by chance."""
    owner, samples = placed
    starts = owner.tensor(samples.x[:40])
    targets = (owner.answers(starts).argmax(1) + 1) % 10
    ways = robust_transports(owner.spec, ("resize",))
    kept = []
    for known in ((), ways):
        climb = Climb(owner, starts, targets, (), 0.5, 5.0, Gait(60, 0.05, 0.0), known)
        climb.to(1.0)
        kept.append(float(surviving(owner, climb.points, targets, ways).float().mean()))
    assert kept[1] > kept[0]


def test_the_shares_are_told(made, tmp_path):
    """They survive the file, and inspect and reports show them."""
    bundles.write(made, tmp_path / "b.fp")
    again = bundles.read(tmp_path / "b.fp")
    assert again.fingerprint.transports == made.fingerprint.transports
    assert "on the way      resize keeps" in describe(tmp_path / "b.fp")
    assert "png 100%" in summary(again).travelled()


def test_impossible_shares_are_refused(made, tmp_path):
    """A share beyond 1 is no share."""
    with pytest.raises(ValueError, match=r"within 0\.\.1"):
        replace(made.fingerprint, transports={"png": 1.5})
    odd = replace(made, fingerprint=replace(made.fingerprint))
    object.__setattr__(odd.fingerprint, "transports", {"png": 7.0})
    bundles.write(odd, tmp_path / "odd.fp")
    with pytest.raises(BundleFormatError, match=r"within 0\.\.1"):
        bundles.read(tmp_path / "odd.fp")


@pytest.mark.parametrize("names", [("gif",), ("jpeg", "jpeg")])
def test_unknown_ways_are_one_line(names):
    """A way that is not known, or named twice, is refused with those there are."""
    with pytest.raises(FingerprintError, match="--robust wants some of jpeg, resize"):
        Order("model.pt", robust=names)


def test_rows_and_other_methods_make_no_robust_points(model_file, samples_file):
    """Only images travel as files, and only some methods make points for it."""
    with pytest.raises(FingerprintError, match="--robust is for images"):
        robust_transports(InputSpec((4,), (0.0,), (1.0,)), ("jpeg",))
    order = Order(model_file, samples=samples_file, method="random", points=20, robust=("jpeg",))
    with pytest.raises(FingerprintError, match="makes no robust points"):
        api.fingerprint(order)
