"""Ransom evidence by names: strong, medium with a second sign, weak with two, and what is no note at all."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from results.record import Collection, Database, LastWrite
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


@pytest.mark.parametrize("name", exact("S"))
def test_a_strong_name_is_enough(name: str) -> None:
    found = judge([note(name), BIG])
    assert found.level == "likely"
    assert found.names == [name]
    assert found.wiped is False


@pytest.mark.parametrize("name", exact("M"))
def test_a_medium_name_needs_a_second_sign(name: str) -> None:
    assert judge([note(name), BIG]).level == "possible"
    assert judge([note(name, documents=1), BIG]).level == "likely"
    assert judge([note(name, documents=40_000), BIG]).level == "possible"


@pytest.mark.parametrize("name", exact("W"))
def test_a_weak_name_needs_two(name: str) -> None:
    assert judge([note(name), BIG]).level == "none"
    assert judge([note(name, documents=2), BIG]).level == "none"
    assert judge([note(name, documents=2, size=40_960), BIG]).level == "likely"
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
    assert judge([note(name), BIG]).level == "likely"


@pytest.mark.parametrize(
    "name", ["recover_my_data_now", "READ_ME_NOW_or_no_restore", "pay_btc", "ransom2026", "h4ck3d"]
)
def test_an_unseen_variant_is_nothing_without_a_second_sign(name: str) -> None:
    assert judge([note(name), BIG]).level == "none"
    assert judge([note(name, "x"), BIG]).level == "likely"


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
    assert judge([note(name, collection, "more"), BIG]).level == level


def test_a_collection_that_is_a_note_is_named_with_its_database() -> None:
    found = judge([note("shop", "orders", "READ_ME_TO_RECOVER_YOUR_DATA", documents=10**6)])
    assert found.level == "likely"
    assert found.names == ["shop.READ_ME_TO_RECOVER_YOUR_DATA"]


def test_collections_of_the_server_itself_do_not_count() -> None:
    assert judge([note("README", "system.indexes", "README", size=100), BIG]).level == "likely"
    assert judge([note("READ_ME", "system.indexes", "system.profile"), BIG]).level == "possible"


def test_wiped_differs_from_data_left() -> None:
    ransom = note("READ__ME_TO_RECOVER_YOUR_DATA", "README", documents=1)
    assert judge([ransom, LOCAL]).wiped is True
    assert judge([ransom, Database(name="a", documents=0), Database(name="b", empty=True)]).wiped is True
    assert judge([ransom, Database(name="a", collections_known=True)]).wiped is True
    assert judge([ransom, BIG]).wiped is False
    assert judge([ransom, Database(name="a")]).wiped is None


def test_the_size_that_is_tiny_depends_on_the_storage_engine() -> None:
    weak = note("recovery", documents=1, size=83_886_080)
    assert judge([weak, BIG]).level == "none"
    assert judge([weak, BIG], "mmapv1").level == "likely"


def test_the_newest_id_of_the_server_is_a_sign() -> None:
    def dated(name: str, day: int) -> Database:
        write = LastWrite(at=datetime(2026, 11, day, tzinfo=UTC), method="newest_object_id", proves="")
        return Database(name=name, documents=50, collections=[Collection(name="a", last_write=write)])

    assert judge([dated("PLEASE_READ", 20), dated("shop", 10)]).level == "likely"
    assert judge([dated("PLEASE_READ", 10), dated("shop", 20)]).level == "possible"


def test_several_names_of_the_wiper() -> None:
    one = [note("q2o8kd-meow"), BIG]
    assert judge(one).level == "possible"
    found = judge([note("q2o8kd-meow"), note("zz91-meow"), note("meow1"), BIG])
    assert found.level == "likely"
    assert len(found.names) == 3


def test_a_third_partys_marker_is_no_ransom() -> None:
    found = judge([note("university_cybersec_experiment"), BIG])
    assert found.level == "third_party_marker"
    assert judge([note("university_cybersec_experiment"), note("DB_DROPPED")]).level == "likely"


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
