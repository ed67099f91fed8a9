"""Names that hint at people or secrets, in their languages, and names that do not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.record import Collection, Database
from scanner.mongo.hints import HINTS_KEPT, NAMES_LOOKED_AT, find, fold, match, tokens
from scanner.mongo.tables import table


@pytest.mark.parametrize(
    ("name", "category", "language"),
    [
        ("users", "people", "en"),
        ("userProfiles", "people", "en"),
        ("x_customers_2", "people", "en"),
        ("creditCards", "payments", "en"),
        ("APIKeys", "credentials", "en"),
        ("user_passwords", "credentials", "en"),
        ("patients2024", "health", "en"),
        ("lecteurs", "people", "fr"),
        ("Abonnés", "people", "fr"),
        ("motDePasse", "credentials", "fr"),
        ("ordonnances", "health", "fr"),
        ("Kundendaten", "people", "de"),
        ("krankenkassen", "health", "de"),
        ("Überweisungen", "payments", "de"),
        ("contraseñas", "credentials", "es"),
        ("empleados", "employment", "es"),
        ("senhas", "credentials", "pt"),
        ("prontuarios", "health", "pt"),
        ("pazienti", "health", "it"),
        ("wachtwoorden", "credentials", "nl"),
        ("hasła", "credentials", "pl"),
        ("пользователи", "people", "ru"),
        ("Пароли", "credentials", "ru"),
        ("用户信息", "people", "zh"),
        ("old密码表", "credentials", "zh"),
        ("yonghu_xinxi", "people", "zh"),
    ],
)
def test_names_that_hint(name: str, category: str, language: str) -> None:
    assert (category, language) in {(hint.category, hint.language) for hint in match(name)}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "products",
        "log",
        "mixed",
        "sessions",
        "config",
        "cache",
        "jobs",
        "shop-eu",
        "a+b@c",
        "HTTPLog",
        "metrics",
        "x" * 63,
    ],
)
def test_names_that_do_not(name: str) -> None:
    assert not match(name)


def test_seven_languages_at_least_and_the_grave_categories_in_each() -> None:
    groups = {(group["language"], group["category"]) for group in table("telling_names")["words"]}
    for language in ("en", "fr", "de", "es", "pt", "zh", "ru"):
        assert {
            (language, category) for category in ("people", "health", "payments", "credentials")
        } <= groups


def test_listed_words_are_folded_and_unique_in_their_group() -> None:
    for group in table("telling_names")["words"]:
        assert len(set(group["words"])) == len(group["words"])
        for word in group["words"]:
            assert fold(word) == word
            assert unicodedata.is_normalized("NFC", word) or group["language"] == "ru"


def test_every_listed_word_is_found_by_its_own_name() -> None:
    for group in table("telling_names")["words"]:
        for word in group["words"]:
            assert match(word.rstrip("*")), word


def test_tokens() -> None:
    assert tokens("userAuth_2024-HTTPLog") == ["user", "auth", "http", "log", "userauthhttplog"]


def test_hints_leave_out_what_is_the_servers_own_or_empty() -> None:
    users = Collection(name="users", documents=5)
    databases = [
        Database(name="admin", system=True, collections=[users]),
        Database(name="patients", documents=0, collections=[Collection(name="payments", documents=0)]),
        Database(name="app", collections=[users, Collection(name="system.users"), Collection(name="emails")]),
    ]
    found, more = find(databases)
    assert {hint.name for hint in found} == {"app.users", "app.emails"}
    assert not more


def test_hints_are_bounded_and_say_so() -> None:
    many = [Database(name=f"users{number}") for number in range(HINTS_KEPT + 1)]
    found, more = find(many)
    assert len(found) == HINTS_KEPT
    assert more
    dull = [Database(name="x", collections=[Collection(name="c")] * NAMES_LOOKED_AT)]
    assert find(dull) == ([], True)


@given(st.text(max_size=300))
def test_any_name_is_taken(name: str) -> None:
    assert len(match(name)) <= 10
