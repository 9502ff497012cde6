"""What lies behind an address: which protocol it speaks, and a description to edit where none."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from auditkit.adapters import identified
from auditkit.adapters.wire.addresses import parsed, shown
from auditkit.adapters.wire.tensors import Served, Tensor, listed_tensors
from auditkit.adapters.wire.web import Web
from auditkit.core.errors import QueryError, SuspectLoadError, TransientError
from auditkit.core.requests import Reach

MOST = 20
"""Models or routes that are listed."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was seen, a line each, and how it may be asked."""

    lines: tuple[str, ...]
    suspect: str | None
    """What to give to `auditkit check`; None: only a description will do."""
    description: str
    """TOML to begin from."""


def probe(url: str, reach: Reach) -> Found:
    """Look at an address without asking its model anything.

    Raises:
        SuspectLoadError: It may not be reached for.
        QueryError: It does not answer.
    """
    parts = parsed(url)
    if parts.scheme.startswith("grpc"):
        return _grpc(url, reach)
    web = Web(url, reach)
    try:
        for look in (_oip, _predict, _oip_server, _bento, _openapi):
            found = look(url, web)
            if found is not None:
                return found
        seen = _seen(url, web)
    finally:
        web.close()
    line = "it speaks no protocol that auditkit knows; edit the description"
    return Found((*seen, line), None, description(url))


def _seen(url: str, web: Web) -> tuple[str, ...]:
    """What it says to GET, where it says anything but a page: many take POST alone.

    Raises:
        TransientError: It is not there at all.
    """
    try:
        web.get(url)
    except TransientError:
        raise
    except QueryError as error:
        return (f"GET: {error}",)
    return ()


def _grpc(url: str, reach: Reach) -> Found:
    from auditkit.adapters.wire.oip_grpc import GrpcWire

    wire = GrpcWire(url, reach)
    try:
        return Found(_told(wire.described(), "gRPC"), url, "")
    finally:
        wire.close()


def _oip(url: str, web: Web) -> Found | None:
    if not _is(url, "oip"):
        return None
    parts = urlsplit(url)
    path = parts.path.rstrip("/").removesuffix("/infer")
    page = _json(web, parts._replace(path=path).geturl())
    if page is None:
        raise QueryError(f"no model's page at {shown(url)!r}: is its name right?")
    versions = page.get("versions") or []
    inputs, outputs = listed_tensors(page.get("inputs")), listed_tensors(page.get("outputs"))
    served = Served(inputs, outputs, ", ".join(map(str, versions)), str(page.get("platform")))
    name = inputs[0].name if inputs else "input"
    shape = [1, *inputs[0].shape[1:]] if inputs else [1]
    body = (
        f'{{ id = "1", inputs = [{{ name = "{name}", datatype = "FP32", shape = {shape}, '
        'data = "$point.flat" }] }'
    )
    ask = parts._replace(path=f"{path}/infer").geturl()
    return Found(_told(served, "HTTP"), url, description(ask, body, 'scores = "outputs[0].data"'))


def _told(served: Served, way: str) -> tuple[str, ...]:
    missing = (
        () if served.inputs else ("it does not say what it takes; the owner's shape is tried",)
    )
    return (
        f"Open Inference Protocol 2 over {way}, platform {served.platform or 'not told'}, versions "
        f"{served.version or 'not told'}",
        *(f"input  {_shown(one)}" for one in served.inputs),
        *(f"output {_shown(one)}" for one in served.outputs),
        *missing,
    )


def _shown(tensor: Tensor) -> str:
    return f"{tensor.name} {tensor.datatype} {list(tensor.shape)}"


def _predict(url: str, web: Web) -> Found | None:
    if not _is(url, "predict"):
        return None
    parts = urlsplit(url)
    page = _json(web, parts._replace(path=parts.path.removesuffix(":predict")).geturl())
    state = "its status page answers" if page is not None else "it has no status page"
    body, answers = '{ instances = "$points.nested" }', 'scores = "predictions"'
    return Found((f"predict protocol; {state}",), url, description(url, body, answers))


def _oip_server(url: str, web: Web) -> Found | None:
    root = url.rstrip("/").removesuffix("/v2")
    page = _json(web, f"{root}/v2")
    if page is None or "extensions" not in page:
        return None
    line = f"Open Inference Protocol 2: {page.get('name')} {page.get('version')}"
    hint = f"name a model: {shown(root)}/v2/models/NAME"
    return Found((line, hint), None, description(f"{root}/v2/models/NAME/infer"))


def _bento(url: str, web: Web) -> Found | None:
    root = _root(url)
    page = _json(web, f"{root}/schema.json")
    routes = page.get("routes") if page else None
    if not isinstance(routes, list) or not routes:
        return None
    found = [_bento_route(route) for route in routes[:MOST] if isinstance(route, dict)]
    path, field = found[0]
    wanted = [pair for pair in found if urlsplit(url).path == pair[0]]
    path, field = wanted[0] if wanted else (path, field)
    body = f'{{ {field} = "$points.nested" }}'
    lines = tuple(f"BentoML route {path} takes {field!r}" for path, field in found)
    return Found(lines, None, description(f"{root}{path}", body, 'scores = "@"'))


def _bento_route(route: dict[str, Any]) -> tuple[str, str]:
    taken = route.get("input")
    fields = taken.get("properties") if isinstance(taken, dict) else None
    names = list(fields) if isinstance(fields, dict) else []
    return str(route.get("route", "/")), str(names[0]) if names else "input"


def _openapi(url: str, web: Web) -> Found | None:
    root = _root(url)
    page = _json(web, f"{root}/openapi.json")
    paths = page.get("paths") if page else None
    if not isinstance(paths, dict):
        return None
    posts = [str(path) for path, ways in paths.items() if isinstance(ways, dict) and "post" in ways]
    if not posts:
        return None
    here = urlsplit(url).path
    chosen = here if here in posts else posts[0]
    lines = tuple(f"OpenAPI: POST {path}" for path in posts[:MOST])
    return Found(lines, None, description(f"{root}{chosen}"))


def description(
    url: str, body: str = '{ inputs = "$points.nested" }', answers: str = 'scores = "predictions"'
) -> str:
    """A TOML description to begin from."""
    each = 1 if "$point." in body else 16
    return f"""\
# How auditkit asks this API: edit, then auditkit check BUNDLE this-file.toml
url = "{url}"
batch = {each}  # points in one request
values = "owner"  # as the owner's model takes them; or "0..1", "0..255"
layout = "channels-first"  # or "channels-last"

[headers]
# Authorization = "Bearer ${{API_TOKEN}}"  # taken from the environment

[request]
# $points.nested, .flat, .npy, .png, .jpeg: all points of a request; $point.…: its only one
json = {body}
# upload = {{ field = "file", kind = "png" }}
# body = "png"

[response]  # JMESPath to a row of scores, a label, or the best classes, for each point
{answers}
# labels = "predictions[].label"
# best = "predictions"
# classes = ["cat", "dog"]  # names in the owner's order
"""


def _is(url: str, protocol: str) -> bool:
    try:
        return identified(url).adapter == protocol
    except SuspectLoadError:
        return False


def _root(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _json(web: Web, url: str) -> dict[str, Any] | None:
    """A page's JSON object; None where there is none."""
    try:
        found = web.get(url).json()
    except QueryError:
        return None
    return found if isinstance(found, dict) else None
