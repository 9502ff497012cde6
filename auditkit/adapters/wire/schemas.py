"""The schemas of an OpenAPI page, which refer to each other and may be anybody's."""

from collections.abc import Iterator

from auditkit.core.arrays import Json, JsonObject

DEEPEST = 12
"""Schemas within schemas that are followed; they may refer to themselves."""
MOST = 5_000
"""Schemas of one page that are read; those that refer to several others could have no end."""


class Schemas:
    """The page's schemas, with references followed."""

    def __init__(self, page: JsonObject) -> None:
        self._page = page
        self._left = MOST

    def whole(self, found: Json, depth: int = 0) -> JsonObject:
        """Return an object of the page in place of references to it, its parts joined."""
        self._left -= 1
        if not isinstance(found, dict) or depth > DEEPEST or self._left < 0:
            return {}
        reference = found.get("$ref")
        if isinstance(reference, str):
            return self.whole(self._at(reference), depth + 1)
        for name in ("allOf", "anyOf", "oneOf"):
            parts = found.get(name)
            if isinstance(parts, list):
                read = [self.whole(part, depth + 1) for part in parts[:DEEPEST]]
                useful = [part for part in read if part and part.get("type") != "null"]
                if name == "allOf":
                    return _joined([found, *useful])
                return _joined([found, *useful[:1]])
        kinds = found.get("type")
        if isinstance(kinds, list):  # a type, or null
            return {**found, "type": next((kind for kind in kinds if kind != "null"), None)}
        return found

    def _at(self, reference: str) -> Json:
        place: Json = self._page
        for step in reference.removeprefix("#/").split("/"):
            place = place.get(step) if isinstance(place, dict) else None
        return place

    def fields(self, schema: JsonObject) -> dict[str, JsonObject]:
        """Properties of an object by name, required ones first."""
        found = schema.get("properties")
        listed = found if isinstance(found, dict) else {}
        must = self.required(schema)
        names = sorted(map(str, listed), key=lambda name: name not in must)
        return {name: self.whole(listed[name]) for name in names}

    def required(self, schema: JsonObject) -> set[str]:
        """Names of the properties that must be given."""
        found = schema.get("required")
        return set(map(str, found)) if isinstance(found, list) else set()

    def content(self, holder: Json) -> Iterator[tuple[str, JsonObject]]:
        """Media types and schemas of a body."""
        found = self.whole(holder).get("content")
        for media, told in (found if isinstance(found, dict) else {}).items():
            inner = told.get("schema") if isinstance(told, dict) else None
            yield str(media).partition(";")[0].strip().lower(), self.whole(inner)


def _joined(parts: list[JsonObject]) -> JsonObject:
    whole: JsonObject = {}
    for part in parts:
        for name, value in part.items():
            known = whole.get(name)
            if isinstance(known, dict) and isinstance(value, dict):
                whole[name] = {**known, **value}
            elif isinstance(known, list) and isinstance(value, list):
                whole[name] = [*known, *value]
            else:
                whole.setdefault(name, value)
    return whole
