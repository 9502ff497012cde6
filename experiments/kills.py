"""A scan that is killed again and again: `python -m experiments.kills [--kills 50]`.

Each run is killed (SIGKILL, with all of its workers) after a random time and started again on the
same ledger. What was recorded before a kill must be there unchanged after it, nothing may be judged
twice, and in the end all verdicts must be those of a scan that nobody disturbed.
"""

import argparse
import os
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from auditkit.fleet.ledger import Ledger, Pair
from experiments.fleet import Place

LONGEST = 8.0
"""Seconds after which a run is killed at the latest; about three of them are its start."""


def main() -> None:
    """Print what was lost, repeated and changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--suspects", type=int, default=600)
    chosen = parser.parse_args()
    moments = random.Random(0)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), "strided")
        place.write_suspects(chosen.suspects)
        place.write_bundles(1)
        suspects = place.suspects(chosen.suspects)
        place.scanned("whole", suspects, 1)
        lost = repeated = kills = busy = 0
        before: dict[str, Pair] = {}
        while kills < chosen.kills and len(before) < chosen.suspects:
            _killed(place.command("killed", suspects, 1), moments.uniform(0, LONGEST))
            kills += 1
            after = _recorded(Path(name) / "killed.db")
            lost += len(before.keys() - after.keys())
            repeated += sum(after[one] != pair for one, pair in before.items() if one in after)
            busy += len(after) > len(before)
            before = after
        place.scanned("killed", suspects, 1)
        after = _recorded(Path(name) / "killed.db")
        repeated += sum(after[one] != pair for one, pair in before.items())
        whole, ended = place.verdicts("whole"), place.verdicts("killed")
        print(f"{kills} kills, {busy} of them after new verdicts, {len(before)} recorded by then")
        print(f"  recorded verdicts that were lost       {lost:5}")
        print(f"  recorded verdicts that were made anew  {repeated:5}")
        print(f"  verdicts missing in the end            {len(whole.keys() - ended.keys()):5}")
        other = sum(ended[pair] != verdict for pair, verdict in whole.items() if pair in ended)
        print(f"  verdicts other than undisturbed        {other:5} of {len(whole)}")


def _killed(command: list[str], seconds: float) -> None:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _recorded(ledger: Path) -> dict[str, Pair]:
    if not ledger.exists():
        return {}
    with Ledger.open(ledger) as opened:
        return {one.suspect: one for one in opened.pairs()}


if __name__ == "__main__":
    main()
