"""Random histories of one server that is wiped, held to ransom and restored, against what was done to it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from results.ledger.derive import derive
from results.ledger.visit import Figures, Names, Structure
from results.verdict import Verdict
from tests.support.visits import Diary, uuid

if TYPE_CHECKING:
    from results.ledger.visit import Names as Held

NOTE = "READ_ME"


@dataclass
class Happening:
    """A server, what was done to it, and how often."""

    chance: random.Random
    told_uuids: bool
    full: dict[str, dict[str, int]]
    data: dict[str, dict[str, int]] = field(default_factory=dict)
    made: int = 0
    notes: int = 0
    note: bool = False
    wiped: int = 0
    ransomed: int = 0
    restored: int = 0

    def happens(self) -> str:
        """One thing, or nothing."""
        what = self.chance.choice(["nothing", "grow", "wipe", "ransom", "restore", "few", "remove_note"])
        if what in ("wipe", "ransom") and (self.data or what == "ransom"):
            if what == "ransom" and self.note and not self.told_uuids:
                return "nothing"  # the same note under no UUID looks like the old one
            if what == "ransom":
                self.note, self.notes, self.ransomed = True, self.notes + 1, self.ransomed + 1
            self.wiped += bool(self.data)
            self.data = {}
        elif what == "restore" and sum(map(sum, map(dict.values, self.data.values()))) < 1000:
            self.data = {name: dict(held) for name, held in self.full.items()}
            self.made, self.restored = self.made + 1, self.restored + 1
        elif what == "few" and not self.data:
            name = self.chance.choice(list(self.full))
            self.data, self.made = {name: dict.fromkeys(self.full[name], 2)}, self.made + 1
        elif what == "grow":
            self.data = {n: {c: count * 26 // 25 for c, count in h.items()} for n, h in self.data.items()}
        elif what == "remove_note":
            self.note = False
        else:
            return "nothing"
        return what

    def look(self, diary: Diary, *, collections: bool) -> None:
        """An open look, by which names and counts of collections are told, or databases alone."""
        held: dict[str, list[Held]] = {"admin": [Names("system.version", self._uuid("version"))]}
        counts: dict[str, tuple[int | None, int | None, str, int | None]] = {}
        for database, inside in self.data.items():
            told = inside if collections else {}
            held[database] = [Names(name, self._uuid(f"{database}.{name}/{self.made}")) for name in told]
            counts |= {f"{database}.{name}": (count, count * 100, "", None) for name, count in told.items()}
        if self.note:
            held[NOTE] = [Names("README", self._uuid(f"note/{self.notes}"))]
        diary.open(
            structure=Structure(held, True, list(held) if collections else []),
            figures=Figures(counts, {}),
            documents=sum(map(sum, map(dict.values, self.data.values()))) + self.note,
            ransom_level="likely" if self.note else "none",
            ransom_names=[NOTE] if self.note else [],
        )

    def _uuid(self, name: str) -> str:
        return uuid(name) if self.told_uuids else ""


@pytest.mark.parametrize("told_uuids", [True, False])
def test_counts_are_those_of_what_was_done(told_uuids: bool) -> None:
    for seed in range(150):
        chance = random.Random(seed)
        full = {
            f"database{nth}": {f"c{each}": chance.randint(1000, 5000) for each in range(chance.randint(1, 3))}
            for nth in range(chance.randint(1, 3))
        }
        server = Happening(chance, told_uuids, full, {name: dict(held) for name, held in full.items()})
        diary, done = Diary().run(0), []
        server.look(diary, collections=True)
        for week in range(1, chance.randint(4, 20)):
            done.append(server.happens())
            diary.run(7 * week)
            if done[-1] != "nothing" or chance.random() < 0.6:
                server.look(diary, collections=True)
            elif chance.random() < 0.5:
                server.look(diary, collections=False)
            else:
                diary.sees(Verdict.OPEN)
        (exposure,) = derive(diary.by_place(), diary.runs).exposures
        found = (exposure.wiped_count, exposure.ransomed_count, exposure.restored_count)
        assert found == (server.wiped, server.ransomed, server.restored), (seed, done)
