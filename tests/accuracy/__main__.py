"""Makes docs/verdicts.md, docs/cost.md and docs/accuracy.md anew: `make accuracy`.

`python -m tests.accuracy held` makes only what tests hold to the code, and measures nothing.
"""

from __future__ import annotations

import sys

from tests.accuracy.accuracy import ACCURACY, accuracy_page, gather, measured_cost
from tests.accuracy.cost import COST, cost_page, measured_part
from tests.accuracy.pages import VERDICTS, verdicts_page
from tests.support.kinds import ROOT


def pages(*, only_held: bool) -> dict[str, str]:
    """The text of each page by its name. Measuring takes a few minutes; only loopback is asked."""
    if only_held:
        old = (ROOT / COST).read_text(encoding="utf-8")
        return {VERDICTS: verdicts_page(), COST: cost_page(measured_part(old))}
    reals, simulated = gather()
    return {
        VERDICTS: verdicts_page(),
        COST: cost_page(measured_cost(reals)),
        ACCURACY: accuracy_page(reals, simulated),
    }


if __name__ == "__main__":
    for name, text in pages(only_held="held" in sys.argv[1:]).items():
        (ROOT / name).write_text(text, encoding="utf-8")
        sys.stderr.write(f"wrote {name}\n")
