"""The command line that made a report, as the report may show it."""

import re
import shlex
import sys
from pathlib import Path

HIDDEN = "[hidden]"
USER = re.compile(r"(?<=://)[^/@\s]+@")
QUERY = re.compile(r"(?<=[?&])([^=&#\s]+)=[^&#\s]*")
OPTIONS = ("--header",)
"""Options whose values may hold a secret."""


def command_line() -> str:
    """Return the running command line in shell quotes, without what could be a secret.

    A report is handed over, so values of headers, users of addresses and values of their queries
    are hidden; a secret that is named as `${NAME}` or `${file:PATH}` stays, since that is its name.
    Empty where another program called the command.
    """
    if Path(sys.argv[0]).stem != "auditkit" and Path(sys.argv[0]).parent.name != "auditkit":
        return ""
    return shlex.join(["auditkit", *told(sys.argv[1:])])


def told(arguments: list[str]) -> list[str]:
    """Return arguments with whatever could be a secret replaced by `[hidden]`."""
    shown: list[str] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        option, equals, value = argument.partition("=")
        if before in OPTIONS:
            shown.append(_header(argument))
        elif equals and option in OPTIONS:
            shown.append(f"{option}={_header(value)}")
        else:
            shown.append(_address(argument))
    return shown


def _header(text: str) -> str:
    name, colon, value = text.partition(":")
    return f"{name}{colon}{value if '${' in value else f' {HIDDEN}'}"


def _address(text: str) -> str:
    if "://" not in text:
        return text
    return QUERY.sub(rf"\1={HIDDEN}", USER.sub(f"{HIDDEN}@", text))
