"""Folders of images as samples: which class a folder is, and images of many sizes."""

import numpy as np
import pytest
import torch
from PIL import Image

from auditkit.core.errors import SamplesError
from auditkit.core.requests import InputFacts, SampleForm
from auditkit.owner.classifier import place
from auditkit.owner.opening import LoadedModel
from auditkit.owner.samples import read_samples

CPU = torch.device("cpu")


def folders(root, *names, sizes=((8, 6),)):
    """30 images a class, of these sizes in turns, as dark as their number."""
    for name in names:
        (root / name).mkdir(parents=True)
        for number in range(30):
            image = Image.new("RGB", sizes[number % len(sizes)], (number, 0, 0))
            image.save(root / name / f"{number:02}.png")
    return root


def owner_of(classes):
    """A net for images of 6 x 8 pixels."""
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 6 * 8, classes))
    return LoadedModel("owner", "sha256:0", net.eval().requires_grad_(False))


def test_folders_named_by_numbers_are_these_classes(tmp_path):
    """Folder 10 is class 10, although it comes before 2 in the alphabet."""
    raw = read_samples(folders(tmp_path, "2", "10"))
    assert raw.y.tolist() == [10] * 30 + [2] * 30
    assert place(owner_of(12), InputFacts(), raw, CPU)[1] is not None


def test_a_list_of_classes_tells_what_folders_are(tmp_path):
    """Each folder gets the number of its line."""
    names = tmp_path / "classes.txt"
    names.write_text("ant\nbee\ncat\ndog\n")
    raw = read_samples(folders(tmp_path / "images", "dog", "bee"), SampleForm(names))
    assert raw.y.tolist() == [1] * 30 + [3] * 30


def test_a_folder_that_is_no_class_of_the_list_is_named(tmp_path):
    """One line says which folder."""
    names = tmp_path / "classes.txt"
    names.write_text("ant\nbee\n")
    with pytest.raises(SamplesError, match="'wasp'"):
        read_samples(folders(tmp_path / "images", "wasp", "bee"), SampleForm(names))


def test_some_folders_of_a_model_with_more_classes_are_not_numbered_by_guess(tmp_path):
    """Two folders of four classes could be any two of them."""
    raw = read_samples(folders(tmp_path, "cat", "dog"))
    with pytest.raises(SamplesError, match="2 folders of samples, the model knows 4 classes"):
        place(owner_of(4), InputFacts(), raw, CPU)
    assert place(owner_of(2), InputFacts(), raw, CPU)[1] is not None


def test_images_of_many_sizes_are_shrunk_and_cropped(tmp_path):
    """Upright and lying ones become squares of the wanted side."""
    folders(tmp_path, "0", "1", sizes=((40, 30), (30, 50), (200, 100)))
    assert read_samples(tmp_path, SampleForm(side=16)).x.shape == (60, 16, 16, 3)
    with pytest.raises(SamplesError, match="--resize-samples"):
        read_samples(tmp_path)


def test_grey_images_among_coloured_ones_become_coloured(tmp_path):
    """A photograph without colours is no reason to refuse a folder."""
    folders(tmp_path, "0", "1")
    Image.fromarray(np.full((6, 8), 7, np.uint8)).save(tmp_path / "0" / "grey.png")
    assert read_samples(tmp_path).x[30].tolist() == np.full((6, 8, 3), 7).tolist()
