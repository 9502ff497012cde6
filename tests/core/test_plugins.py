"""Plug-ins of other packages are names beside the built-in ones, and fail in one line."""

from importlib.metadata import EntryPoint

import pytest

from auditkit.core import plugins
from auditkit.core.errors import MissingRuntimeError, PluginError, UnknownPluginError
from auditkit.judging import identification


@pytest.fixture
def installed(monkeypatch):
    """A setter of what other packages offer as identifications."""

    def offer(**values: str) -> None:
        points = [EntryPoint(n, value, "auditkit.identification") for n, value in values.items()]
        by_group = {"auditkit.identification": points}
        monkeypatch.setattr(plugins, "entry_points", lambda group: by_group.get(group, []))

    return offer


def test_an_entry_point_is_a_name(installed):
    """It is listed after its kind and loaded as the object that it names."""
    installed(another="math:sqrt")
    assert "another" in plugins.names(identification)
    assert plugins.load(identification, "another")(9) == 3
    assert "another" not in plugins.built_in(identification)


def test_a_built_in_name_can_not_be_taken(installed):
    """A package with the name of a built-in plug-in is named as what to uninstall."""
    installed(clustering="math:sqrt")
    with pytest.raises(PluginError, match="two plug-ins are called 'clustering'"):
        plugins.names(identification)
    assert plugins.load(identification, "clustering").__name__ == "weigh_clusters"


@pytest.mark.parametrize(
    ("value", "error", "line"),
    [
        ("not_installed_here:thing", MissingRuntimeError, "pip install 'not_installed_here'"),
        ("math:nothing", PluginError, "can't be loaded: AttributeError"),
    ],
)
def test_an_entry_point_that_fails_is_one_line(installed, value, error, line):
    """What is missing, or what the package raised while it was imported."""
    installed(another=value)
    with pytest.raises(error, match="another") as caught:
        plugins.load(identification, "another")
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_names_are_told_with_the_known_ones():
    """The message lists what there is."""
    with pytest.raises(UnknownPluginError, match=r"no 'magic' in identification; there are: clu"):
        plugins.load(identification, "magic")
    for name in plugins.built_in(identification):
        assert plugins.load(identification, name).__module__.endswith(f".{name}")
