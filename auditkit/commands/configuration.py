"""Options from `auditkit.toml` and from the environment; flags win over both.

typer looks each option up in flags, its environment variable, the context's `default_map` and its
default, in that order; here the variables are named and the map is filled. A file that lies in the
working folder may come from a stranger: docs/decisions/0016-configuration.md says what it may set.
"""

import os
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup, TyperOption

from auditkit.commands.console import tell
from auditkit.core.escape import clean, first_line
from auditkit.core.reading import contents
from auditkit.core.requests import Isolation

NAME = "auditkit.toml"
PREFIX = "AUDITKIT_"
CONFIG = f"{PREFIX}CONFIG"
LARGEST = 1 << 16
"""Bytes of the largest file of settings."""
USAGE = 2
"""The exit code of wrong usage."""
# Everything else waits until the user names the file: it could change who is accused (which output
# of a model is read, whose signature counts), send points elsewhere (proxy, addresses, headers), or
# say where files are written.
BY_ITSELF = frozenset(
    {
        *("access", "sequential", "thorough", "budget", "rate", "concurrency", "patience"),
        *("timeout", "device", "isolation", "suspect-seconds", "suspect-memory", "workers"),
        *("recycle", "again", "every", "format", "explain", "quiet", "fail-on", "baseline"),
    }
)
"""The options that a file which was found, and not named, may set."""
OUTPUT = "output"
"""The option that no file sets: a report goes where the command line says."""

Options = Mapping[str, TyperOption]
"""The options of one command by their long names, without the dashes."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file of settings."""

    path: Path
    named: bool
    """Whether the user named it; otherwise it lay in the working folder."""

    def refuse(self, what: str) -> NoReturn:
        """End the command with one line on what is wrong with the file."""
        tell(f"auditkit: {clean(str(self.path), 200)}: {clean(what, 300)}")
        raise typer.Exit(USAGE)


def configure(context: typer.Context, named: Path | None, *, unread: bool) -> None:
    """Let file and environment say what the flags of a command don't.

    Args:
        context: Of the whole program, before the command begins.
        named: The file of settings; None: `auditkit.toml` of the working folder, if there is one.
        unread: Whether no file is read.
    """
    commands = dict(_commands(context))
    _name_variables(commands)
    if unread or context.resilient_parsing or (named is None and not os.path.lexists(NAME)):
        return
    source = Source(named or Path(NAME), named is not None)
    settings = _read(source)
    chosen = {name: _of(source, settings, name, options) for name, options in commands.items()}
    known = {key for options in commands.values() for key in options} | commands.keys()
    _check_keys(
        source, settings, known, "there is no option and no command {}; see auditkit --help"
    )
    context.default_map = {
        command: {commands[command][key].name: value for key, value in values.items()}
        for command, values in chosen.items()
    }
    taken = chosen.get(context.invoked_subcommand or "", {})
    if taken:
        # Also where --quiet stands: nobody is to be surprised by what lies in a folder.
        shown = ", ".join(f"{key} = {_told(value)}" for key, value in taken.items())
        tell(f"auditkit: {clean(str(source.path), 200)} sets {clean(shown, 600)}")


def _commands(context: typer.Context) -> Iterator[tuple[str, Options]]:
    """Yield the options of each command."""
    group = context.command
    assert isinstance(group, TyperGroup)  # noqa: S101 - the app has commands
    for name, command in group.commands.items():
        options = [one for one in command.params if isinstance(one, TyperOption)]
        yield name, {_long(one): one for one in options if _long(one) != OUTPUT}


def _long(option: TyperOption) -> str:
    return next(one for one in option.opts if one.startswith("--")).removeprefix("--")


def _name_variables(commands: Mapping[str, Options]) -> None:
    """Give each option its variable, and tell of variables that name none."""
    known = {CONFIG}
    for command, options in commands.items():
        for name, option in options.items():
            option.envvar = f"{PREFIX}{command}_{name}".upper().replace("-", "_")
            option.show_envvar = False  # one rule in the docs instead of a line for each option
            known.add(option.envvar)
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            tell(f"auditkit: {clean(name)} names no option; wanted {PREFIX}COMMAND_OPTION")


def _read(source: Source) -> Mapping[str, Any]:
    try:
        return tomllib.loads(contents(source.path, LARGEST).decode())
    except OSError as error:
        source.refuse(error.strerror or "it can't be read")
    except (ValueError, RecursionError) as error:
        source.refuse(f"it is no TOML: {first_line(error)}")


def _of(
    source: Source, settings: Mapping[str, Any], command: str, options: Options
) -> dict[str, Any]:
    """Return what a file sets for one command: for all that have such an option, then for it."""
    shared = {key: value for key, value in settings.items() if key in options}
    own = settings.get(command, {})
    if not isinstance(own, dict):
        source.refuse(f"[{command}] wants a table of options, got {own!r}")
    _check_keys(source, own, options, f"[{command}] has no option {{}}; wanted one of {{}}")
    return {
        key: _value(source, key, value, options[key]) for key, value in {**shared, **own}.items()
    }


def _check_keys(
    source: Source, found: Mapping[str, Any], known: Collection[str], else_: str
) -> None:
    if OUTPUT in found:
        source.refuse(f"{OUTPUT!r} is set on the command line alone, since it replaces files")
    for key in found:
        if key not in known:
            source.refuse(else_.format(repr(key), ", ".join(sorted(known))))


def _value(source: Source, key: str, value: Any, option: TyperOption) -> Any:
    """Return a setting as typer takes it, after it was seen to be one that a file may make."""
    if not source.named and key not in BY_ITSELF:
        source.refuse(
            f"{key!r} may be set only by a file that is named: --config {NAME}, if it is yours; "
            "--no-config leaves it unread"
        )
    if key == "isolation" and value == Isolation.OFF:
        source.refuse("isolation is turned off on the command line alone: --isolation off")
    if option.is_flag != isinstance(value, bool):
        wanted = "true or false" if option.is_flag else "a text or a number"
        source.refuse(f"{key!r} wants {wanted}, got {value!r}")
    if option.is_flag:
        return value
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str | int | float) for one in listed):
        source.refuse(f"{key!r} wants texts or numbers, got {value!r}")
    texts = [str(one) for one in listed]
    if not option.multiple and len(texts) != 1:
        source.refuse(f"{key!r} wants one value, got {len(texts)}")
    return texts if option.multiple else texts[0]


def _told(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else str(value).lower()
