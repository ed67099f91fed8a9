"""Which runs may go on beside each other in one output directory: never two sweeps over one prefix, two
verifications or two confirmations; these, which ask a few places, may go on beside a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from results.covered import load_covered
from results.files import ResultsError
from results.manifest import PURPOSES
from results.run import load_manifest
from targets.grammar import Span, format_span
from targets.ranges import Ranges

if TYPE_CHECKING:
    from pathlib import Path

    from results.going_on import WhyNot
    from results.manifest import Manifest
    from scanner.setup.settings import SweepSettings


def ranges_of_run(path: Path, manifest: Manifest) -> Ranges | None:
    """The addresses that a run set out to ask; None where nobody can tell. Raises `ResultsError`."""
    covered = load_covered(path, manifest)
    if covered is None:
        return None
    return Ranges.of(Span(row.version, row.first, row.last) for row in covered.rows())


def why_not(ranges: Ranges, purpose: str, sweep: SweepSettings) -> WhyNot:
    """For a run over these addresses: why it must not begin beside another."""

    def reason(path: Path) -> str:
        try:
            manifest, _ = load_manifest(path)
            if purpose or manifest.purpose:
                same = purpose == manifest.purpose
                return f"a {PURPOSES.get(purpose, purpose)} goes on already" if same else ""
            theirs = ranges_of_run(path, manifest)
        except ResultsError as error:
            return f"nobody can tell what it asks: {error}"
        if theirs is None:
            return "nobody can tell what it asks"
        lengths = sweep.per_prefix_length, sweep.per_prefix_length_v6
        both = next((ranges.widened(*lengths) & theirs.widened(*lengths)).spans(), None)
        return f"it asks {format_span(both)}, too" if both is not None else ""

    return reason
