"""A bundle of dated tables: what is written is read back, what is refused and why, and what counts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scanner.mongo import advisories, hints, ransom
from scanner.mongo.bundle import BundleError, make_bundle, newer, older, read_bundle, read_toml
from scanner.mongo.tables import FILES, built_in, digest, digest_in_use, given, use


def tables(**changed: Any) -> dict[str, Any]:
    """Copies of the built-in tables; of each, `TABLE__KEY` may be changed."""
    found = json.loads(json.dumps({name: built_in(name) for name in FILES}))
    for key, value in changed.items():
        name, _, inner = key.partition("__")
        found[name][inner] = value
    return dict(found)


def test_what_is_written_is_read_back() -> None:
    raw = make_bundle(tables())
    assert raw.isascii()
    assert make_bundle(read_bundle(raw)) == raw
    for name, table in read_bundle(raw).items():
        assert digest(table) == digest_in_use(name)


def row(**more: Any) -> list[dict[str, Any]]:
    return [{"name": "x", "within": "both", "strength": "S", "source": "s", **more}]


def advisory(low: str, high: str) -> dict[str, Any]:
    return {"id": "CVE-2099-1", "summary": "s", "ranges": [[low, high]], "source": "s"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"advisories__as_of": "2026-13-40"}, "is no day"),
        ({"advisories__as_of": "yesterday"}, "advisories.as_of"),
        ({"advisories__advisory": []}, "length"),
        ({"ransom_names__name": row(within="everywhere")}, "within"),
        ({"ransom_names__name": row(narrows="of a later version")}, "narrows"),
        ({"ransom_names__name": row(match="pattern", name="(", holds=["x"])}, "no regular expression"),
        *(
            ({"ransom_names__name": row(match="pattern", name=name, holds=["a"])}, "repeats a group")
            for name in (
                "(a+)+",
                "(a|aa)*",
                "(.*a){20}",
                "((a*)b)+",
                r"(?:\(a*)+",
                "([)]*)+",
                "(a*)(b(c|d))+x",
            )
        ),
        ({"advisories__advisory": [advisory("7.0.3", "7.0.0")]}, "is no range"),
        ({"ransom_names__name": row(match="pattern", name="a.*")}, "holds"),
        ({"ransom_names__name": row(name="\x1b[2J")}, "regex"),
        (
            {"telling_names__words": [{"language": "en", "category": "c", "source": "s", "words": []}]},
            "words",
        ),
        ({"versions__wire": [{"wire": -1, "series": "2.4", "source": "s"}]}, "wire"),
    ],
)
def test_rows_that_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(BundleError, match=said):
        make_bundle(tables(**changed))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "no bundle"),
        (b"[" * 100_000, "no bundle"),
        (b"\xff\xfe", "no bundle"),
        (b'{"format": "mongosweep.data/2", "tables": {}}', "this version reads mongosweep.data/1"),
        (b'{"format": "mongosweep.data/1", "tables": {}}', "advisories"),
        (b" " * (5 * 1024 * 1024), "larger than"),
    ],
)
def test_what_is_no_bundle(raw: bytes, said: str) -> None:
    with pytest.raises(BundleError, match=said):
        read_bundle(raw)


@pytest.mark.parametrize("name", [r"(.*_)?x(_(?!y(_|$)).*)?$", "[(+]*[]*)]+a(b)+(c|d)", r"\)+a{2}(x)*"])
def test_patterns_that_are_taken(name: str) -> None:
    make_bundle(tables(ransom_names__name=row(match="pattern", name=name, holds=["x"])))


def test_a_day_without_quotes_is_no_text() -> None:
    changed = tables()
    changed["advisories"] = read_toml("advisories", b'as_of = 2026-11-24\nabout = "x"')
    with pytest.raises(BundleError, match="neither text nor a number"):
        make_bundle(changed)
    with pytest.raises(BundleError, match=r"versions\.toml is not valid TOML"):
        read_toml("versions", b"as_of = ")


def test_of_each_table_the_newer_one_counts() -> None:
    mixed = tables(advisories__as_of="2999-01-01", versions__as_of="2000-01-01")
    assert newer(mixed, pinned=False).keys() == {"advisories", "ransom_names", "telling_names"}
    assert newer(mixed, pinned=True).keys() == set(FILES)
    (said,) = older(mixed, tables())
    assert said.startswith("versions is of 2000-01-01, and ")


def test_what_was_worked_out_of_a_table_goes_with_it() -> None:
    version = advisories.parse("7.0.0")
    assert version is not None
    anyone = advisories.Situation(open=True, replica_set=True, mongos=True, tls=True)
    others = tables(
        advisories__advisory=[advisory("7.0.0", "7.0.1")],
        ransom_names__name=row(name="PAY_US"),
        telling_names__words=[{"language": "en", "category": "people", "source": "s", "words": ["zebras"]}],
    )

    def seen() -> tuple[object, ...]:
        found = advisories.matching(version, anyone)
        return (
            found is not None and found.version_in_range,
            ransom.is_listed("PAY_US"),
            bool(hints.match("zebras")),
            bool(hints.match("customers")),
        )

    before = seen()
    assert before[1:] == (False, False, True)
    try:
        use(others)
        assert seen() == (["CVE-2099-1"], True, True, False)
        assert given().keys() == set(FILES)
    finally:
        use({})
    assert seen() == before
