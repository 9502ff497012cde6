"""Audits every hostile suspect and prints what came of it, by family.

    python -m tests.hostile [FAMILY ...]

Nothing of auditkit is simulated; the table in SECURITY.md comes from here.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.conftest import small_bundle
from tests.hostile.auditing import audited, slow
from tests.hostile.families import FAMILIES


def main() -> int:
    """Print a row for each family; 1 if something went wrong."""
    chosen = sys.argv[1:] or list(FAMILIES)
    bundle, total, wrong = small_bundle(), 0, []
    print("| family | suspects | outcomes | slowest | harm |\n|---|---|---|---|---|")
    for name in chosen:
        with tempfile.TemporaryDirectory() as folder:
            results, harm = audited(bundle, Path(folder), FAMILIES[name])
        told = Counter(one.told for one in results)
        outcomes = ", ".join(f"{count} {what}" for what, count in told.most_common())
        slowest = max(one.seconds for one in results)
        done = "none" if harm.is_none else f"{harm.left} {harm.good}"
        print(f"| {name} | {len(results)} | {outcomes} | {slowest:.1f} s | {done} |", flush=True)
        total += len(results)
        wrong += [f"{one.suspect.name}: {one.outcome}" for one in results if not one.is_right]
        wrong += [f"{late}: too slow" for late in slow(results)]
        wrong += [] if harm.is_none else [f"{name}: {done}"]
    print(f"\n{total} suspects of {len(chosen)} families; {len(wrong)} went wrong")
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
