"""Any JSON or upload API that a small TOML file describes; see `adapters.wire.description`."""

from dataclasses import replace

import jmespath
import numpy as np
from jmespath.exceptions import JMESPathError

from auditkit.adapters.base import CONCURRENT, Kind, Port, Values, read_file
from auditkit.adapters.wire.addresses import shown
from auditkit.adapters.wire.description import PICTURES, Description, parse
from auditkit.adapters.wire.filling import body_of
from auditkit.adapters.wire.replies import Names, excerpt, number, numbers, unpacked
from auditkit.core.access import from_best
from auditkit.core.arrays import Json, Rows
from auditkit.core.errors import ReplyError, SuspectLoadError
from auditkit.core.provenance import sha256
from auditkit.core.requests import Options

__all__ = ["template"]


class TemplateAdapter:
    """Fills points into the described request, and finds the answers in the reply by JMESPath."""

    def __init__(self, source: str, options: Options) -> None:
        from auditkit.adapters.wire.web import Web  # httpx takes long to load

        data = read_file(source)
        try:
            self._api = parse(data.decode("utf-8"), source)
        except UnicodeDecodeError as error:
            raise SuspectLoadError(f"{source!r} is no text; wanted TOML") from error
        self._classes = len(self._api.classes) or options.classes
        self._names = Names(self._api.classes, self._api.others)
        headers = {**options.reach.headers, **self._api.headers}
        self._names_its_type = "content-type" in {name.lower() for name in headers}
        self._web = Web(self._api.url, replace(options.reach, headers=headers))
        # Another description of the same API may get other answers (pixel range, layout), so the
        # journal must not serve the old ones: the file's digest is part of the identity.
        digest = sha256(data)
        self.port = _port(self._api, f"{self._api.url} as {digest}")
        self.runtime = {
            "protocol": "described",
            "address": shown(self._api.url),
            "description": digest,
        }

    def answer(self, batch: Rows) -> Rows:
        """See `Adapter.answer`."""
        body = body_of(self._api, batch)
        # Some gateways want a type of their own for JSON; a form's type names its boundary.
        own = self._api.request in ("json", "text", "body") and self._names_its_type
        headers = {} if own else {"content-type": body.content_type}
        reply = unpacked(self._web.post(self._api.url, body.content, headers).json())
        found = _found(self._api.path, reply)
        readers = {"scores": self._scores, "labels": self._labels, "best": self._best}
        return readers[self._api.response](found, len(batch))

    def _scores(self, found: Json, count: int) -> Rows:
        try:
            rows = numbers(found)
        except (ValueError, TypeError) as error:
            raise ReplyError(
                f"{self._api.path!r} leads to no rows of numbers: {excerpt(found)}"
            ) from error
        # Many APIs that take one picture answer one row without a list around it.
        return rows[None] if rows.ndim == 1 and count == 1 else rows

    def _labels(self, found: Json, count: int) -> Rows:
        labels = found if isinstance(found, list) else [found]
        if count == 1 and not labels:
            return np.array([-1.0])  # no class was sure enough
        if len(labels) != count:
            raise ReplyError(f"{self._api.path!r} leads to {len(labels)} labels, wanted {count}")
        read = [self._names.number(label) for label in labels]
        if None in read and max(-1 if one is None else one for one in read) < 0:
            raise _unknown(labels[read.index(None)])
        return np.array([-1 if one is None else one for one in read], np.float64)

    def _best(self, found: Json, count: int) -> Rows:
        lists = found if count > 1 or _is_list_of_lists(found) else [found]
        if not isinstance(lists, list) or len(lists) != count:
            raise ReplyError(
                f"{self._api.path!r} leads to no list of classes for each point: {excerpt(found)}"
            )
        if self._classes is None:
            raise ReplyError("it is not known how many classes there are; name them as classes")
        rows = [self._row(entries, self._classes) for entries in lists]
        return np.concatenate(rows)

    def _row(self, entries: Json, classes: int) -> Rows:
        """Convert one point's list of best classes to (1, classes) scores; NaN: no answer."""
        blank = np.full((1, classes), np.nan)
        pairs = self._pairs(entries)
        if not pairs:
            return blank  # no class was sure enough to be listed
        try:
            scores = np.array([number(score) for _, score in pairs])
        except (ValueError, TypeError) as error:
            raise ReplyError(f"{self._api.score!r} leads to no number") from error
        found = [self._names.number(label) for label, _ in pairs]
        if all(one is None for one in found):
            raise _unknown(pairs[0][0])
        labels = np.array([-1 if one is None else one for one in found])
        # Where a class that the owner does not have is the best, there is no label to compare.
        if labels[np.nan_to_num(scores, nan=-np.inf).argmax()] < 0:
            return blank
        kept = labels >= 0
        return _whole(from_best(labels[kept][None], scores[kept][None], classes), classes)

    def _pairs(self, entries: Json) -> list[tuple[Json, Json]]:
        """One point's classes and scores: as objects, as two lists, or class by class."""
        if not isinstance(entries, dict | list):
            raise ReplyError(f"{self._api.path!r} leads to no list of classes: {excerpt(entries)}")
        if isinstance(entries, dict):
            label, score = (_sought(path, entries) for path in (self._api.label, self._api.score))
            if label is None and score is None:
                return list(entries.items())  # {"cat": 0.9, "dog": 0.1}
            if isinstance(label, list) and isinstance(score, list) and len(label) == len(score):
                return list(zip(label, score, strict=True))
        listed = entries if isinstance(entries, list) else [entries]
        return [(_found(self._api.label, e), _found(self._api.score, e)) for e in listed]

    def close(self) -> None:
        """See `Adapter.close`."""
        self._web.close()


def _is_list_of_lists(found: Json) -> bool:
    """Whether the reply to a single point has a list around its list of classes."""
    return isinstance(found, list) and len(found) == 1 and isinstance(found[0], list | dict)


def _unknown(label: Json) -> ReplyError:
    return ReplyError(
        f"the reply names the class {excerpt(label)}, which [response] does not; correct classes, "
        "or list it in others if the owner has no such class",
        final=True,
    )


def _whole(row: Rows, classes: int) -> Rows:
    """One row of scores; where the scores were no probabilities, with everything on the best."""
    # Rows of scores and bare labels in turn would be two kinds of answers from one suspect.
    if row.ndim > 1:
        return row
    return np.where(np.arange(classes) == row[:, None], 1.0, np.where(row[:, None] < 0, np.nan, 0))


def _sought(path: str, value: Json) -> Json:
    try:
        return jmespath.search(path, value)
    except (JMESPathError, RecursionError) as error:
        raise ReplyError(f"{path!r} does not fit the reply: {excerpt(value)}") from error


def _found(path: str, value: Json) -> Json:
    found = _sought(path, value)
    if found is None:
        raise ReplyError(f"{path!r} leads nowhere in the reply: {excerpt(value)}")
    return found


def _port(api: Description, identity: str) -> Port:
    # Pictures hold bytes, whatever `values` says, and have no layout of their own. `npy` is packed
    # like a picture where it is an upload or a body.
    packed = api.request in ("upload", "body")
    pictures = packed or any(f".{kind}" in repr(api.content) for kind in PICTURES)
    as_pixels = api.values == "0..255" or pictures
    values = Values.PIXELS if as_pixels else Values(api.values)
    last = api.layout == "channels-last" and not pictures
    size = api.size or (None, None)
    return Port(
        identity,
        shape=None if api.size is None else (*size, None) if last else (None, *size),
        dtype=np.dtype(np.uint8 if as_pixels else np.float32),
        values=values,
        channels_last=last,
        fits_any_size=api.size is not None,
        at_once=api.batch,
        concurrency=CONCURRENT,
    )


template = Kind(TemplateAdapter, suffixes=(".toml",), remote=True)
