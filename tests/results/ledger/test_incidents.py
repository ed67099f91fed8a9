"""What counts as wiped, held to ransom and restored, what does not, and within which bounds it happened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from results.ledger.visit import Figures, Names, Structure
from results.verdict import Severity, Verdict
from tests.support.visits import SEEN, Diary, at, holding, only, told, uuid

if TYPE_CHECKING:
    from results.ledger.tracked import Change


def counts(diary: Diary) -> tuple[int, int, int]:
    exposure = only(diary)
    return exposure.wiped_count, exposure.ransomed_count, exposure.restored_count


def change(diary: Diary, kind: str) -> Change:
    (found,) = [change for change in told(diary).changes if change.kind == kind]
    return found


def held(uuids: bool = True, note: str = "", **databases: int) -> dict[str, Any]:
    """Databases of one collection each with so many documents, and a note. Two underscores make another
    collection of a database: `app__orders`."""
    names: dict[str, list[Names]] = {"admin": [Names("system.version", uuid("version") if uuids else "")]}
    figures: dict[str, tuple[int | None, int | None, str, int | None]] = {}
    for key, documents in databases.items():
        database, _, collection = key.partition("__")
        made = Names(collection or "things", uuid(key) if uuids else "")
        names.setdefault(database, []).append(made)
        figures[f"{database}.{made.name}"] = (documents, documents * 100, "", None)
    if "." in note:
        database, _, collection = note.partition(".")
        names.setdefault(database, []).append(Names(collection, uuid(note) if uuids else ""))
    elif note:
        names[note] = [Names("README", uuid(note) if uuids else "")]
    return {
        "structure": Structure(names, True, list(names)),
        "figures": Figures(figures, {}),
        "documents": sum(databases.values()) + bool(note),
        "ransom_level": "likely" if note else "none",
        "ransom_names": [note] if note else [],
    }


@pytest.mark.parametrize("uuids", [True, False])
def test_documents_that_expire_are_no_wipe(uuids: bool) -> None:
    diary = Diary().run(0).open(**held(uuids, app=10_000, web=200)).run(7)
    diary.open(**held(uuids, app=300, web=200))
    assert counts(diary) == (0, 0, 0)
    assert change(diary, "changed").reasons[0].code == "shrank"


def test_every_document_gone_is_a_wipe() -> None:
    assert counts(Diary().run(0).open(**held(app=10_000)).run(7).open(**held(app=0))) == (1, 0, 0)


def test_documents_gone_and_a_note_left_are_a_wipe() -> None:
    diary = Diary().run(0).open(**held(app=10_000)).run(7).open(**held(note="READ_ME", app=300))
    assert counts(diary) == (1, 1, 0)


def test_one_of_many_databases_gone_and_a_note_left_are_a_wipe() -> None:
    diary = Diary().run(0).open(**held(app=900, web=800, mail=700)).run(7)
    diary.open(**held(note="READ_ME", web=800, mail=700))
    assert counts(diary) == (1, 1, 0)
    lost = only(diary).lost
    assert lost is not None
    assert (lost.databases, lost.database_count, lost.documents) == (["app"], 1, 900)
    assert counts(diary.run(14).open(**held(note="READ_ME", app=900, web=800, mail=700))) == (1, 1, 1)


def test_collections_gone_beside_a_note_in_their_database_are_a_wipe() -> None:
    diary = Diary().run(0).open(**held(app__orders=900, app__users=800, web=700)).run(7)
    diary.open(**held(note="app.README_TO_RECOVER", app__users=800, web=700))
    assert counts(diary) == (1, 1, 0)
    lost = only(diary).lost
    assert lost is not None
    assert (lost.collection_count, lost.documents) == (1, 900)


def test_an_owner_who_drops_a_database_is_no_wipe() -> None:
    diary = Diary().run(0).open(**held(app=900, web=800, mail=700)).run(7).open(**held(web=800, mail=700))
    assert counts(diary) == (0, 0, 0)


def test_a_database_each_month_is_no_wipe() -> None:
    diary = Diary()
    for month in range(1, 7):
        held_now: dict[str, Any] = {f"log_{month}": 1000 + month}
        diary.run(30 * month).open(**held(**held_now))
    assert counts(diary) == (0, 0, 0)
    assert len(told(diary).exposures) == 1


def test_a_note_that_its_owner_removes_is_no_second_ransom() -> None:
    diary = Diary().run(0).open(**held(app=900)).run(7).open(**held(note="READ_ME", app=900))
    assert counts(diary.run(14).open(**held(app=900))) == (0, 1, 0)


@pytest.mark.parametrize("uuids", [True, False])
def test_an_application_that_grows_again_restores_nothing(uuids: bool) -> None:
    diary = Diary().run(0).open(**held(uuids, app=3000)).run(7).open(**held(uuids, note="READ_ME"))
    new = held(uuids, app=0)
    made = Names("things", uuid("app", 1) if uuids else "")
    new["structure"].databases["app"] = [made]
    for week, documents in enumerate((100, 900, 1400, 1600, 2900), start=2):
        figures = Figures({"app.things": (documents, documents * 100, "", None)}, {})
        diary.run(7 * week).open(**{**new, "figures": figures, "documents": documents})
    assert counts(diary) == (1, 1, 0)


def test_a_backup_over_what_the_application_wrote_meanwhile_is_a_restore_and_no_wipe() -> None:
    diary = Diary().run(0).open(**holding(0)).run(7).open(**holding(note="READ_ME", wiped=True))
    diary.run(14).open(**holding(1, documents=2)).run(21).open(**holding(2))
    assert counts(diary) == (1, 1, 1)


def test_what_is_wiped_twice_is_restored_by_as_much_as_was_lost_at_first() -> None:
    diary = Diary().run(0).open(**held(app=3000)).run(7).open(**held()).run(14).open(**held(app=20))
    diary.run(21).open(**held()).run(28).open(**held(app=30))
    assert counts(diary)[2] == 0


def test_a_wipe_happened_after_the_last_look_that_told_names() -> None:
    diary = Diary().run(0).open().run(7).sees(Verdict.OPEN).run(14).open(**holding(wiped=True))
    assert change(diary, "wiped").after == at(SEEN)


def test_nobody_looked_for_names_before_a_note_was_seen() -> None:
    diary = Diary().run(0).sees(Verdict.OPEN).run(7).open(**held(note="READ_ME"))
    assert change(diary, "ransomed").after == ""


def test_names_of_databases_alone_in_between_hide_no_collections_made_anew() -> None:
    names = holding(0)
    names["structure"] = Structure({name: [] for name in names["structure"].databases}, True, [])
    names["figures"] = Figures({}, {})
    diary = Diary().run(0).open(**holding(0)).run(7).open(**names)
    assert [change.kind for change in told(diary).changes] == ["opened"]
    diary.run(14).open(**holding(1))
    assert counts(diary) == (1, 0, 1)
    assert change(diary, "wiped").after == at(SEEN)


def test_a_database_that_was_there_before_is_no_note_of_today() -> None:
    before, after = held(app=900, readme=1), held(app=900, readme=1)
    after |= {"ransom_level": "possible", "ransom_names": ["readme"]}
    assert counts(Diary().run(0).open(**before).run(7).open(**after)) == (0, 0, 0)


def test_a_note_where_the_look_before_was_cut_may_be_older() -> None:
    cut = held(app=900)
    cut["structure"] = Structure(cut["structure"].databases, False, ["app"])
    diary = Diary().run(0).open(**cut).run(7).open(**held(note="READ_ME", app=900))
    assert counts(diary) == (0, 1, 0)
    assert change(diary, "ransomed").after == ""


def test_documents_that_were_not_counted_are_not_gone() -> None:
    partly = held(app=900, web=10)
    partly["structure"] = Structure({"app": [], "web": []}, True, [])
    partly |= {"figures": Figures({}, {}, counted=False), "documents": 10}
    diary = Diary().run(0).open(**held(app=900, web=10)).run(7).open(**partly)
    assert [change.kind for change in told(diary).changes] == ["opened"]
    liveness = only(diary).liveness
    assert liveness is not None
    assert liveness.grown is None or liveness.grown.documents is None


def test_severity_that_follows_the_vantage_is_no_change_of_the_server() -> None:
    diary = Diary()
    for day in range(6):
        internet = day % 2 == 0
        severity = Severity.CRITICAL if internet else Severity.HIGH
        diary.run(day, vantage="internet" if internet else "office").open(severity=severity)
    assert [change.kind for change in told(diary).changes] == ["opened"]
    diary.run(6, vantage="internet").open(severity=Severity.HIGH)
    assert change(diary, "changed").reasons[0].detail == "critical -> high"
