"""Ransom evidence: what each strength of name needs beside it, notes among collections, innocent names."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from results.record import Collection, Database
from scanner.mongo.ransom import fold, is_listed, judge
from scanner.mongo.tables import table

BIG = Database(name="shop", documents=5000, size_bytes=10**9, empty=False)
LOCAL = Database(name="local", system=True, documents=1)


def note(name: str, *collections: str, documents: int | None = None, size: int | None = None) -> Database:
    return Database(
        name=name,
        documents=documents,
        size_bytes=size,
        collections=[Collection(name=collection) for collection in collections],
        collections_known=bool(collections),
    )


def exact(strength: str) -> list[str]:
    rows = table("ransom_names")["name"]
    names = {
        row["name"] for row in rows if row["strength"] == strength and row.get("match", "exact") == "exact"
    }
    inside = {row["name"] for row in rows if row["within"] == "collection"}
    return sorted(names - inside)


def test_the_table_has_at_least_sixty_names() -> None:
    rows = table("ransom_names")["name"]
    assert len({fold(row["name"]) for row in rows if not row.get("variant")}) >= 60


@pytest.mark.parametrize(
    "pattern", [row["name"] for row in table("ransom_names")["name"] if row.get("match") == "pattern"]
)
@given(data=st.data())
@settings(max_examples=30)
def test_whatever_a_pattern_matches_is_listed(pattern: str, data: st.DataObject) -> None:
    letters = st.sampled_from(string.ascii_lowercase + string.digits + "_")
    name = data.draw(st.from_regex(pattern, fullmatch=True, alphabet=letters))
    assume(re.match(pattern, fold(name)))
    assert is_listed(name)


@pytest.mark.parametrize(
    "name",
    ["Me0w", "abc-m30w", "H0W_T0_RE5TORE_my_app", "H4cked-by-me", "Y0UR DB i5 backed up at our servers now"],
)
def test_figures_for_letters_hide_no_shape(name: str) -> None:
    assert is_listed(name)


@pytest.mark.parametrize("name", exact("S"))
def test_a_strong_name_needs_few_documents_or_few_bytes(name: str) -> None:
    alone = judge([note(name), BIG])
    assert (alone.level, alone.names, alone.wiped) == ("possible", [name], False)
    assert judge([note(name)]).wiped is None
    assert judge([note(name, documents=1), BIG]).level == "likely"
    assert judge([note(name, "x", size=8192), BIG]).level == "likely"
    assert judge([note(name, documents=4, size=8192), BIG]).level == "possible"
    assert judge([note(name, "x", "y", documents=1), BIG]).level == "possible"


@pytest.mark.parametrize("name", exact("M"))
def test_a_medium_name_needs_one_collection_called_as_notes_are(name: str) -> None:
    assert judge([note(name), BIG]).level == "possible"
    assert judge([note(name, documents=1), BIG]).level == "possible"
    assert judge([note(name, "users", documents=2, size=40_960)]).level == "possible"
    assert judge([note(name, "README", documents=1), BIG]).level == "likely"
    assert judge([note(name, name, documents=1), BIG]).level == "likely"
    assert judge([note(name, "README", documents=40_000), BIG]).level == "possible"


@pytest.mark.parametrize("name", exact("W"))
def test_a_weak_name_is_an_ordinary_one_without_them(name: str) -> None:
    assert judge([note(name), BIG]).level == "none"
    assert judge([note(name, "user", documents=2, size=40_960)]).level == "none"
    assert judge([note(name, "READ_ME", documents=2), BIG]).level == "likely"
    assert judge([note(name, "one", documents=50_000, size=40_960), BIG]).level == "none"


@pytest.mark.parametrize(
    "name",
    [
        "to_get_DB_back_send_1BTC_to_1AbC",
        "hacked_by_someone",
        "PLEASE_READ_0123456789abcdef01234567",
        "HOW_TO_RESTORE_leanote",
        "how-to-restore-leanote",
        "Your DB is backed up at our servers, to restore send email",
        "Read.Me.To.Recover.Your.Data",
        "READ__ME--TO RECOVER_YOUR_DATA",
    ],
)
def test_shapes_and_spellings(name: str) -> None:
    assert judge([note(name, documents=1), BIG]).level == "likely"


@pytest.mark.parametrize(
    "name", ["recover_my_data_now", "READ_ME_NOW_or_no_restore", "pay_btc", "ransom2026", "h4ck3d"]
)
def test_an_unseen_variant_is_nothing_without_a_second_sign(name: str) -> None:
    assert judge([note(name), BIG]).level == "none"
    assert judge([note(name, "x"), BIG]).level == "none"
    assert judge([note(name, "x", documents=2), BIG]).level in ("possible", "likely")
    assert judge([note(name, "README", documents=1), BIG]).level == "likely"


INNOCENT = {
    "pwnpad": {"users": 1, "reports": 4, "findings": 40, "settings": 1},
    "your_database_here": {"people": 3},
    "your_db_name_2": {"people": 2},
    "bitcoin-ticker": {"prices": 90},
    "btc_grid_bot": {"trades": 60, "signals": 2},
    "ransomwatch": {"groups": 45},
    "meowtify": {"tracks": 3},
    "meow-cafe": {"cats": 2, "tables": 2},
    "homeowner": {"houses": 1},
    "Recover": {"account": 3},
    "WARN": {"levels": 3},
    "recovery_data_jobs": {"jobs": 60},
    "PWNED": {"hashes": 800_000},
    "encrypted": {"keys": 2},
    "Attention": {"maps": 3},
    "backup_db": {"snapshots": 1},
    "bitcoin": {"bitcoin": 2},
}


@pytest.mark.parametrize("beside", [True, False], ids=["beside data", "alone"])
@pytest.mark.parametrize("name", INNOCENT)
def test_an_everyday_name_is_never_a_likely_note(name: str, *, beside: bool) -> None:
    """Small servers have one database of one collection of few documents: that is no sign."""
    held = INNOCENT[name]
    server = Database(
        name=name,
        documents=sum(held.values()),
        size_bytes=8192,
        empty=False,
        collections=[Collection(name=inner, documents=number) for inner, number in held.items()],
        collections_known=True,
    )
    found = judge([server, BIG] if beside else [server])
    assert found.level in ("none", "possible")
    assert found.wiped is not True


@pytest.mark.parametrize(
    "name", ["btc", "bitcoin_prices", "spawned", "homeowners", "restaurants", "readmodel", "recovered"]
)
def test_ordinary_data_is_no_note(name: str) -> None:
    assert judge([note(name, "prices", documents=2_000_000, size=10**10)]).level == "none"


@pytest.mark.parametrize(
    ("name", "collection", "level"),
    [
        ("WARNING", "README", "likely"),
        ("Warning", "Readme", "likely"),
        ("README", "bitcoin", "likely"),
        ("ENCRYPTED", "READ_ME", "likely"),
        ("READ1", "info", "likely"),
        ("shop", "README", "none"),
    ],
)
def test_pairs_of_a_database_and_its_collection(name: str, collection: str, level: str) -> None:
    assert judge([note(name, collection, documents=1), BIG]).level == level
    assert judge([note(name, collection, "more", documents=1), BIG]).level != "likely"


def inside(name: str, documents: int | None, **others: int) -> Database:
    """A database `shop` with a collection of this name, and others."""
    collections = [Collection(name=name, documents=documents)]
    collections += [Collection(name=other, documents=number) for other, number in others.items()]
    return Database(name="shop", collections=collections, collections_known=True)


def test_a_collection_that_is_a_note_is_named_with_its_database() -> None:
    found = judge([inside("READ_ME_TO_RECOVER_YOUR_DATA", 1, orders=10**6)])
    assert (found.level, found.wiped) == ("likely", False)
    assert found.names == ["shop.READ_ME_TO_RECOVER_YOUR_DATA"]


@pytest.mark.parametrize(
    ("name", "documents", "level"),
    [
        ("DB_HAS_BEEN_DROPPED", 1, "likely"),
        ("DB_HAS_BEEN_DROPPED", None, "possible"),
        ("DB_HAS_BEEN_DROPPED", 900, "possible"),
        ("D8_H45_B33N_DR0PP3D", 1, "none"),
        ("DB_H45_B33N_DR0PP3D", 1, "likely"),
        ("R34D_M3", 2, "possible"),
        ("W4RN1NG", 1, "possible"),
        ("P1EA5E_READ", 1, "possible"),
        ("CONTACTME", 4000, "none"),
        ("recovery", 2, "none"),
        ("warning", 500, "none"),
        ("README", 1, "possible"),
    ],
)
def test_notes_among_collections(name: str, documents: int | None, level: str) -> None:
    assert judge([inside(name, documents)]).level == level


def test_a_lone_note_in_an_emptied_database_wiped_it() -> None:
    assert judge([inside("DB_HAS_BEEN_DROPPED", 1)]).wiped is True
    assert judge([inside("DB_HAS_BEEN_DROPPED", 1, orders=0)]).wiped is True
    unknown = Database(name="a", documents=None)
    assert judge([inside("DB_HAS_BEEN_DROPPED", 1), unknown]).wiped is None
    assert judge([inside("DB_HAS_BEEN_DROPPED", 1)], complete=False).wiped is None


def test_collections_of_the_server_itself_do_not_count() -> None:
    assert judge([note("DB_DELETED", "system.indexes", "x", documents=1), BIG]).level == "likely"
    assert judge([note("READ_ME", "system.indexes", "system.profile"), BIG]).level == "possible"


def test_wiped_differs_from_data_left() -> None:
    ransom = note("READ__ME_TO_RECOVER_YOUR_DATA", "README", documents=1)
    assert judge([ransom, LOCAL]).wiped is True
    assert judge([ransom, Database(name="a", documents=0), Database(name="b", empty=True)]).wiped is True
    assert judge([ransom, Database(name="a", collections_known=True)]).wiped is None, "no count was told"
    assert judge([ransom, BIG]).wiped is False
    assert judge([ransom, Database(name="a")]).wiped is None


def test_the_size_that_is_tiny_depends_on_the_storage_engine() -> None:
    strong = note("DB_DELETED", size=83_886_080)
    assert judge([strong, BIG]).level == "possible"
    assert judge([strong, BIG], "mmapv1").level == "likely"


def test_several_names_of_the_wiper() -> None:
    one = [note("q2o8kd-meow"), BIG]
    assert judge(one).level == "possible"
    found = judge([note("q2o8kd-meow"), note("zz91-meow"), note("cafe-meow"), BIG])
    assert found.level == "likely"
    assert found.names == ["q2o8kd-meow", "zz91-meow"]
    assert judge([note("cafe-meow"), note("bistro-meow")]).level == "possible"


def test_a_third_partys_marker_is_no_ransom() -> None:
    found = judge([note("university_cybersec_experiment"), BIG])
    assert found.level == "third_party_marker"
    assert judge([note("university_cybersec_experiment"), note("DB_DROPPED", documents=1)]).level == "likely"


def test_system_databases_are_never_suspects() -> None:
    assert (
        judge([Database(name="config", system=True, collections=[Collection(name="DB_DROPPED")])]).level
        == "none"
    )
    assert judge([]).level == "none"


def test_a_server_full_of_notes_stays_bounded() -> None:
    found = judge([note(f"HACKED_BY_{number}") for number in range(3000)])
    assert len(found.names) <= 50
    assert len(found.reasons) <= 50


def test_listed_names() -> None:
    assert is_listed("README")
    assert is_listed("pwned")
    assert not is_listed("customers")
