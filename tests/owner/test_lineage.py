"""Points chosen by shadow models, from the folder to the bundle and into verdicts."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from auditkit import api
from auditkit.bench.scoring import first
from auditkit.bench.shorter import shortened
from auditkit.cli import app
from auditkit.core.access import Access
from auditkit.core.errors import CalibrationError, FingerprintError, SamplesError
from auditkit.core.models import ReferenceKind
from auditkit.core.points import CONTROL, CORE, LINEAGE, MISTAKE
from auditkit.core.requests import Asking, InputFacts, Options, Order
from auditkit.core.verdicts import Decision
from auditkit.files import bundle as bundles
from auditkit.judging.identification.kinship import weigh_kinship
from auditkit.owner import lineage
from auditkit.owner.classifier import place
from auditkit.owner.lineage import SCOUTS, SHORTLIST, Shadow, candidates, lineage_points
from auditkit.owner.opening import LoadedModel
from auditkit.owner.samples import read_samples
from tests.owner.conftest import outcomes, save_script, trained, write

INDEPENDENT, STUDENT, MODIFIED = (
    ReferenceKind.INDEPENDENT_SHADOW,
    ReferenceKind.STUDENT_SHADOW,
    ReferenceKind.MODIFIED_SHADOW,
)


def quiet(_stage, _done, _total):
    """Nobody looks."""


def labels_of(net, points):
    """A net's classes."""
    return net(torch.tensor(np.asarray(points, np.float32))).argmax(1).numpy()


@pytest.fixture(scope="module")
def asked(net, samples_file):
    """The owner and its samples."""
    model = LoadedModel("owner", "sha256:00", net)
    return place(model, InputFacts(), read_samples(samples_file), torch.device("cpu"))


@pytest.fixture(scope="module")
def shadows(nets):
    """Six of each kind."""
    derived, independent = nets
    return [
        Shadow(kind, lambda points, net=net: labels_of(net, points))
        for kind, known in ((True, derived), (False, independent))
        for net in known[:6]
    ]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory, net):
    """The owner as TorchScript."""
    return save_script(net, tmp_path_factory.mktemp("owner") / "model.pt")


@pytest.fixture(scope="module")
def made(model_file, samples_file, folder):
    """A bundle whose points shadow models helped to choose."""
    order = Order(model_file, samples=samples_file, points=60, shadows=folder, siblings=0)
    return api.fingerprint(order)


def gap(net, points, nets):
    """Mean agreement with the owner of the students less that of the innocents."""
    own = labels_of(net, points)
    derived, independent = (
        np.mean([(labels_of(one, points) == own).mean() for one in known]) for known in nets
    )
    return derived - independent


def test_chosen_points_tell_students_that_chose_nothing(asked, shadows, nets, net):
    """Suspects that were no shadow models are further apart on them than on candidates."""
    chosen = lineage_points(*asked, shadows, 40, 0, quiet).numpy()
    left = nets[0][6:], nets[1][6:]
    assert gap(net, chosen, left) > 2 * gap(net, candidates(*asked, 0).numpy(), left)
    assert gap(net, chosen, left) > 0.3


def test_fewer_points_are_the_first_of_more(asked, shadows):
    """The best come first."""
    few, many = (lineage_points(*asked, shadows, count, 0, quiet).numpy() for count in (10, 40))
    assert np.array_equal(few, many[:10])


def test_who_was_told_least_so_far_counts_most():
    """A student that disagrees on the widest gaps gets points of its own."""
    kinds = [Shadow(True, None)] * 5 + [Shadow(False, None)] * 5
    agreed = np.zeros((10, 40), bool)
    agreed[:4, :30] = True  # a gap of 0.8, but the fifth student is never told
    agreed[2:5, 30:] = True  # a gap of 0.6, the fifth student among them
    chosen = lineage._telling(agreed, kinds, 20)
    assert len(set(chosen)) == 20
    assert (chosen >= 30).sum() >= 5
    assert (lineage._widest(agreed, kinds)[:20] < 30).all()


def test_most_shadow_models_are_asked_the_shortlist_alone(asked, shadows):
    """Six of each kind are asked everything, whoever comes after them a fourth."""
    counts = []

    def counting(shadow):
        def labels(points):
            counts.append(len(points))
            return shadow.labels(points)

        return replace(shadow, labels=labels)

    more = [*shadows, *shadows[:2], shadows[-1]]
    lineage_points(*asked, [counting(shadow) for shadow in more], 40, 0, quiet)
    total = len(candidates(*asked, 0))
    assert counts == [total] * (2 * SCOUTS) + [total // SHORTLIST] * 3


def test_progress_counts_the_shadow_models(asked, shadows):
    """Each is told once."""
    told = []
    lineage_points(*asked, shadows, 40, 0, lambda *news: told.append(news))
    assert told == [("asking shadow models", number, 12) for number in range(12)]


def test_candidates_are_samples_and_mixtures_in_the_domain(asked):
    """On the 8-bit grid, within bounds, the samples among them, the same for a seed."""
    owner, samples = asked
    points = candidates(owner, samples, 3)
    assert len(points) == len(samples.x) * (lineage.MOST // len(samples.x))
    assert torch.equal(points, candidates(owner, samples, 3))
    assert not torch.equal(points, candidates(owner, samples, 4))
    levels = points.numpy() * 255
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-4)
    assert 0 <= points.min() <= points.max() <= 1
    known = {sample.tobytes() for sample in np.rint(samples.x * 255).astype(np.uint8)}
    found = {point.tobytes() for point in np.rint(levels).astype(np.uint8)}
    assert known <= found


def test_of_many_samples_half_of_the_candidates_are_mixtures(asked, monkeypatch):
    """The limit holds for any number of samples."""
    owner, samples = asked
    monkeypatch.setattr(lineage, "MOST", 100)
    assert len(candidates(owner, samples, 0)) == 100


def test_the_bundle_has_lineage_points_and_what_shadow_models_say(made, nets):
    """Half of the points are lineage; every shadow model that works answers every family."""
    sheet = made.fingerprint.sheet
    counts = sheet.counts()
    assert {name: counts[name] for name in (CORE, LINEAGE)} == {CORE: 30, LINEAGE: 30}
    assert {CONTROL, MISTAKE} <= set(counts)
    known = [r for r in made.references if r.kind.is_shadow]
    kinds = Counter(reference.kind for reference in known)
    assert kinds == {INDEPENDENT: 6, STUDENT: 6, MODIFIED: 2}
    assert all(len(reference.answers.labels) == len(sheet) for reference in known)
    assert all(reference.answers.answered.all() for reference in known)
    says = {r.name: r.answers.at(sheet.filed(LINEAGE)).labels for r in known}
    expected = labels_of(nets[0][2], sheet.of_family(LINEAGE).points)
    assert says["pirated2"].tolist() == expected.tolist()


def test_the_bundle_survives_its_file(made, tmp_path):
    """Families and shadow models come back."""
    bundles.write(made, tmp_path / "made.fp")
    again = bundles.read(tmp_path / "made.fp")
    assert again.digest == made.digest
    assert [r.kind for r in again.references] == [r.kind for r in made.references]


def suspects(nets, tmp_path):
    """Files of two students and two independent nets that were no shadow models."""
    return [
        [save_script(one, tmp_path / f"{kind}{place}.pt") for place, one in enumerate(known[6:])]
        for kind, known in zip(("student", "innocent"), nets, strict=True)
    ]


@pytest.mark.parametrize("access", [Access.LABEL, Access.LOGITS])
def test_kinship_is_higher_for_students(made, nets, tmp_path, access):
    """By labels and by scores, of suspects that were no shadow models."""
    values = []
    for known in suspects(nets, tmp_path):
        opinions = [
            opinion for one in outcomes(made, known, access) for opinion in one.identifications
        ]
        values.append([opinion.value for opinion in opinions if opinion.name == "kinship"])
    assert len(values[0]) == len(values[1]) == 2
    # The nets come out a little different on each kind of processor: 0.26 is the least seen.
    assert min(values[0]) > max(values[1]) + 0.1


def test_shadow_models_decide_nothing_by_themselves(made, nets, tmp_path):
    """Without reference models a student is not accused, whatever the kinship, nor priced."""
    for known in suspects(nets, tmp_path):
        for one in outcomes(made, known):
            (opinion,) = [o for o in one.identifications if o.name == "kinship"]
            assert opinion.says is None
            assert one.comparison is None
            assert one.decision is not Decision.PIRATED


def test_kinship_wants_both_kinds(made, nets, tmp_path):
    """It abstains where half of the shadow models are gone."""
    [path, *_] = suspects(nets, tmp_path)[0]
    evidence = api.query(made, path, Asking(options=Options(trust_torch=True)))
    some = tuple(r for r in made.references if not r.kind.is_derived)
    opinion = weigh_kinship(replace(made, references=some), evidence)
    assert (opinion.value, opinion.says) == (None, None)


def test_a_shadow_model_never_prices(made, folder):
    """It is refused as a reference model, of either kind."""
    trusted = Options(trust_torch=True)
    with pytest.raises(CalibrationError, match="is the same model as"):
        api.calibrate(made, [str(folder / "homologous0.pt")], [], options=trusted)
    with pytest.raises(CalibrationError, match="is the same model as"):
        api.calibrate(made, [], [str(folder / "pirated0.pt")], options=trusted)


@pytest.mark.parametrize("trouble", ["missing", "few", "no model", "classes"])
def test_a_folder_that_does_not_serve_is_refused(
    tmp_path, model_file, samples_file, folder, trouble
):
    """In one line that says what to do; no bundle is written."""
    models = json.loads((folder / "manifest.json").read_text())["models"]
    place = tmp_path / "shadows"
    if trouble != "missing":
        place.mkdir()
        for file in folder.iterdir():
            (place / file.name).write_bytes(file.read_bytes())
    if trouble == "few":
        write(place, [model for model in models if model["name"] != "pirated3"])
    if trouble == "no model":
        (place / "homologous2.pt").write_bytes(b"junk")
    if trouble == "classes":
        other = trained(3)
        other.head = torch.nn.Linear(32, 7)
        save_script(other, place / "homologous2.pt")
    arguments = ["fingerprint", model_file, "--samples", str(samples_file), "--points", "40"]
    output = tmp_path / "made.fp"
    found = CliRunner().invoke(app, [*arguments, "--shadows", str(place), "-o", str(output), "-q"])
    assert found.exit_code == 5
    wanted = {
        "missing": "manifest.json",
        "few": "wants 6 student shadow models",
        "no model": "'homologous2' can't be asked",
        "classes": "knows 7 classes, the owner 10",
    }[trouble]
    assert wanted in found.output
    assert len(found.output.strip().splitlines()) == 1
    assert not output.exists()


def test_shadow_models_want_points_enough_for_both_halves(model_file, samples_file, folder):
    """Refused before anything is trained."""
    with pytest.raises(FingerprintError, match="40 or more with --shadows"):
        Order(model_file, samples=samples_file, points=39, shadows=folder)


def test_shadow_models_want_samples(model_file, folder):
    """There is nothing to choose from without."""
    with pytest.raises(SamplesError, match="add --samples"):
        api.fingerprint(Order(model_file, facts=InputFacts((1, 8, 8), (0, 1)), shadows=folder))


def test_first_points_are_as_many_of_each_family(made):
    """However few are asked, core and lineage points take turns; what was said is cut alike."""
    sheet = made.fingerprint.sheet
    sizes = {name: sheet.counts()[name] for name in (CORE, LINEAGE)}
    for count in (2, 11, 60):
        taken = first(sizes, count)
        assert sum(taken.values()) == count
        assert abs(taken[CORE] - taken[LINEAGE]) <= 1
    short = shortened(made, cut := sheet.cut(taken := first(sizes, 11)))
    found = short.fingerprint.sheet
    assert found.counts() == taken
    for name in taken:
        points = sheet.of_family(name).points[: taken[name]]
        np.testing.assert_array_equal(found.of_family(name).points, points)
    np.testing.assert_array_equal(found.points, sheet.points[cut.rows])
    for long, now in zip(made.references, short.references, strict=True):
        assert now.answers.labels.tolist() == long.answers.labels[cut.rows].tolist()
