"""Options that several commands share, declared once as the fields of a dataclass."""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

Command = Callable[..., None]


def spread(name: str, group: type[Any]) -> Callable[[Command], Command]:
    """Return a decorator that gives a command the fields of a dataclass as options of its own.

    typer reads a command's options from its signature, so that the fields are put in there in place
    of the parameter that takes the whole.

    Args:
        name: The command's parameter that is given a value of the dataclass.
        group: The dataclass; its fields are annotated as options are, and have defaults.
    """
    hints = get_type_hints(group, include_extras=True)
    fields = [
        inspect.Parameter(
            one.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=one.default,
            annotation=hints[one.name],
        )
        for one in dataclasses.fields(group)
    ]

    def shared(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True)
        place = list(own.parameters).index(name)
        others = [one for one in own.parameters.values() if one.name != name]
        parameters = [*others[:place], *fields, *others[place:]]

        @functools.wraps(command)
        def called(**given: Any) -> None:
            values = {one.name: given.pop(one.name) for one in fields}
            command(**given, **{name: group(**values)})

        called.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        return called

    return shared
