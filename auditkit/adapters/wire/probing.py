"""Finds out which protocol an address speaks, and drafts a description for those that speak none.

Only pages about the server are read. The model is not queried: an inference may cost money, and
what it takes is not known yet.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from auditkit.adapters import identified
from auditkit.adapters.wire.addresses import parsed, shown
from auditkit.adapters.wire.draft import draft, key, path, text
from auditkit.adapters.wire.openapi import asked
from auditkit.adapters.wire.tensors import Served, Tensor, listed_tensors
from auditkit.adapters.wire.web import Web
from auditkit.core.arrays import Json, JsonObject
from auditkit.core.errors import QueryError, SuspectLoadError, TransientError
from auditkit.core.requests import Reach

MOST = 20
"""Largest number of routes that are listed."""


@dataclass(frozen=True, slots=True)
class Found:
    """The kind of model server that answers at an address, and how it is queried."""

    lines: tuple[str, ...]
    """The findings, one line each; they repeat texts of the server as they are."""
    suspect: str | None
    """Address to give to `auditkit check`; None if a description must be written."""
    description: str
    """Draft of such a description, as TOML to edit; empty for gRPC, which none can describe."""


@dataclass(frozen=True, slots=True)
class _Route:
    """A BentoML endpoint."""

    path: str
    field: str
    """Name of its first parameter."""


def probe(url: str, reach: Reach) -> Found:
    """Find out how an address can be queried, without querying its model.

    Raises:
        SuspectLoadError: The address is malformed, or `reach` does not allow it.
        QueryError: The server does not answer, or has no model of that name.
    """
    parts = parsed(url)
    if parts.scheme.startswith("grpc"):
        return _grpc(url, reach)
    web = Web(url, reach)
    try:
        # What the address itself tells comes first, pages of the whole server last. BentoML serves
        # an OpenAPI page too, but its own one names the parameters.
        for look in (_oip, _predict, _oip_server, _bento, _openapi):
            found = look(url, web)
            if found is not None:
                return found
        seen = _seen(url, web)
    finally:
        web.close()
    line = "it speaks no protocol that auditkit knows; edit the description"
    return Found((*seen, line), None, draft(url))


def _seen(url: str, web: Web) -> tuple[str, ...]:
    """The error that a GET of the address ends with, if any, as a line to show.

    Raises:
        TransientError: The server can't be reached.
    """
    # Most endpoints take POST alone and answer 405. That is no failure, but worth showing.
    try:
        web.get(url)
    except TransientError:
        raise
    except QueryError as error:
        return (f"GET: {error}",)
    return ()


def _grpc(url: str, reach: Reach) -> Found:
    from auditkit.adapters.wire.oip_grpc import GrpcWire  # grpcio is an optional dependency

    wire = GrpcWire(url, reach)
    try:
        return Found(_told(wire.described(), "gRPC"), url, "")
    finally:
        wire.close()


def _oip(url: str, web: Web) -> Found | None:
    if not _is(url, "oip"):
        return None
    parts = urlsplit(url)
    model = parts.path.rstrip("/").removesuffix("/infer")
    page = _json(web, parts._replace(path=model).geturl())
    if page is None:
        raise QueryError(f"no model's page at {shown(url)!r}: is its name right?")
    listed = page.get("versions")
    versions = listed if isinstance(listed, list) else []
    # The description is a fallback for models of several inputs, which can't be asked otherwise.
    inputs, outputs = listed_tensors(page.get("inputs")), listed_tensors(page.get("outputs"))
    served = Served(inputs, outputs, ", ".join(map(str, versions)), str(page.get("platform")))
    ask = parts._replace(path=f"{model}/infer").geturl()
    return Found(_told(served, "HTTP"), url, _oip_draft(ask, inputs))


def _oip_draft(url: str, inputs: tuple[Tensor, ...]) -> str:
    name = inputs[0].name if inputs else "input"
    shape = [1, *inputs[0].shape[1:]] if inputs else [1]
    tensor = f'name = {text(name)}, datatype = "FP32", shape = {shape}, data = "$point.flat"'
    body = f'json = {{ id = "1", inputs = [{{ {tensor} }}] }}'
    return draft(url, (body,), ('scores = "outputs[0].data"',))


def _told(served: Served, way: str) -> tuple[str, ...]:
    """Lines about a model's metadata."""
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
    body = 'json = { instances = "$points.nested" }'
    return Found((f"predict protocol; {state}",), url, draft(url, (body,)))


def _oip_server(url: str, web: Web) -> Found | None:
    root = url.rstrip("/").removesuffix("/v2")
    page = _json(web, f"{root}/v2")
    if page is None or "extensions" not in page:
        return None
    line = f"Open Inference Protocol 2: {page.get('name')} {page.get('version')}"
    hint = f"name a model: {shown(root)}/v2/models/NAME"
    return Found((line, hint), None, _oip_draft(f"{root}/v2/models/NAME/infer", ()))


def _bento(url: str, web: Web) -> Found | None:
    root = _root(url)
    page = _json(web, f"{root}/schema.json")
    routes = page.get("routes") if page else None
    if not isinstance(routes, list) or not routes:
        return None
    found = [_bento_route(route) for route in routes[:MOST] if isinstance(route, dict)]
    if not found:
        return None
    # The route that the user named, else the first.
    chosen = next((route for route in found if route.path == urlsplit(url).path), found[0])
    body = f'json = {{ {key(chosen.field)} = "$points.nested" }}'
    lines = tuple(f"BentoML route {route.path} takes {route.field!r}" for route in found)
    return Found(lines, None, draft(f"{root}{path(chosen.path)}", (body,), ('scores = "@"',)))


def _bento_route(route: JsonObject) -> _Route:
    taken = route.get("input")
    fields = taken.get("properties") if isinstance(taken, dict) else None
    names = list(fields) if isinstance(fields, dict) else []
    return _Route(str(route.get("route", "/")), str(names[0]) if names else "input")


def _openapi(url: str, web: Web) -> Found | None:
    root = _root(url)
    page = _json(web, f"{root}/openapi.json")
    paths = page.get("paths") if page else None
    if not isinstance(paths, dict):
        return None
    posts = {str(page): ways["post"] for page, ways in paths.items() if _takes_posts(ways)}
    if not posts:
        return None
    here = urlsplit(url).path
    chosen = here if here in posts else next(iter(posts))
    told = asked(page or {}, posts[chosen])
    lines = (
        *(f"OpenAPI: POST {post}" for post in list(posts)[:MOST]),
        *(f"  {line}" for line in (*told.request, *told.response)),
        *(f"fill in: {name}" for name in told.missing),
    )
    sections = {"request": told.request, "response": told.response}
    known = {name: found for name, found in sections.items() if found}
    return Found(lines, None, draft(f"{root}{path(chosen)}{told.query}", **known))


def _takes_posts(ways: Json) -> bool:
    return isinstance(ways, dict) and isinstance(ways.get("post"), dict)


def _is(url: str, protocol: str) -> bool:
    try:
        return identified(url).adapter == protocol
    except SuspectLoadError:
        return False


def _root(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _json(web: Web, url: str) -> JsonObject | None:
    """A page's JSON object; None if there is no such page."""
    try:
        found: Json = web.get(url).json()
    except QueryError:
        return None
    return found if isinstance(found, dict) else None
