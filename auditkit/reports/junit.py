"""The report for build servers: JUnit's XML, one test case for each suspect."""

import hashlib
from collections import Counter
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from auditkit.reports.base import Report, Screen
from auditkit.reports.cases import Case, cases, whole

__all__ = ["render_junit"]

RESULTS = {"pirated": "failure", "refused": "error", "inconclusive": "skipped"}
"""The element for each kind of outcome; a homologous suspect has passed."""


def render_junit(report: Report, _screen: Screen) -> bytes:
    """Return XML in UTF-8 that follows the schema of Apache Ant's JUnit task.

    Pirated is a failure and refused an error; inconclusive is skipped, which is no pass.
    """
    found = list(cases(report))
    counts = Counter(RESULTS.get(case.kind) for case in found)
    suites = Element("testsuites")
    suite = SubElement(
        suites,
        "testsuite",
        {
            "package": "auditkit",
            "id": "0",
            "name": "auditkit",
            # The schema has no room for a time zone; reports are in UTC.
            "timestamp": whole(report.generated).removesuffix("Z"),
            # Where it ran does not matter, and is nobody's business who reads the report.
            "hostname": "localhost",
            "tests": str(len(found)),
            "failures": str(counts["failure"]),
            "errors": str(counts["error"]),
            "skipped": str(counts["skipped"]),
            "time": "0",
        },
    )
    _properties(suite, report)
    for case in found:
        _case(suite, case)
    SubElement(suite, "system-out")
    SubElement(suite, "system-err")
    indent(suites)
    body: str = tostring(suites, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'.encode()


def _properties(suite: Element, report: Report) -> None:
    bundle = report.bundle
    facts = {
        "bundle": bundle.digest,
        "owner": bundle.owner,
        "owner digest": bundle.owner_digest,
        **{f"version of {name}": version for name, version in report.versions.items()},
    }
    properties = SubElement(suite, "properties")
    for name, value in facts.items():
        SubElement(properties, "property", {"name": whole(name), "value": whole(value)})


def _case(suite: Element, case: Case) -> None:
    # Two suspects may have one name; build servers merge test cases that do.
    known = case.digest or f"sha256:{hashlib.sha256(case.name.encode()).hexdigest()}"
    name = f"{case.number}: {case.name or 'a suspect without a name'}"
    test = SubElement(suite, "testcase", {"name": name, "classname": known, "time": "0"})
    result = RESULTS.get(case.kind)
    if result is None:
        return
    details = {"message": case.reason} | ({} if result == "skipped" else {"type": case.code})
    body = SubElement(test, result, details)
    body.text = " ".join((f"{case.words.name}: {case.reason}.", case.sure, case.words.limit))
