"""What a letter says, in each language, and that no name can do anything in it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import results
from results.notify.letter import Letter, compose
from results.notify.marked import Name, Paragraph, Text, code_span, markdown, one_line, plain
from results.notify.remedy import situation, steps
from results.notify.rules import Notice
from results.notify.texts import FOLDER, languages, texts
from results.record import Reason
from scanner.setup.choices import LANGUAGES
from tests.support.exposures import FIRST_SEEN, NOW, SHOP, closed, exposure
from tests.support.languages import problems

if TYPE_CHECKING:
    from results.ledger.tracked import TrackedExposure

HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd|'/c calc'!A0",
    "a`b``c```d",
    "`",
    "x\r\nBcc: eve@example.com\r\n\r\nbody",
    "\u202egnp.exe",
    "[click](http://evil.example/)",
    "![](http://evil.example/pixel)",
    "http://evil.example/ www.evil.example eve@evil.example",
    "\n# heading\n- item\n> quote\n```\ncode",
    "\x1b[31mred\x07\x00",
    "</code></pre><img src=x onerror=alert(1)>",
    "{owner} {0} {count.__class__}",
    "\\`\\",
    "| a | b |",
]


def letter(*exposures: TrackedExposure, language: str = "en", **changes: Any) -> Letter:
    """The letter that tells the web platform of these."""
    known: dict[str, Any] = {
        "kind": "warned",
        "owner": "web platform",
        "to": ("web-oncall@example.com",),
        "message_id": "web-platform.owner.0@example.com",
    }
    notice = Notice(exposures=exposures or (exposure(),), language=language, **(known | changes))
    return compose(notice, NOW)


def test_every_language_says_every_reason() -> None:
    table = tomllib.loads((Path(results.__file__).parent / "codes.toml").read_text(encoding="utf-8"))
    for language in languages():
        told = table["severity"].keys() - {"verdict", "much-data", "written-lately"}  # facts of their own
        assert told == texts(language).table["reason"].keys(), language


@pytest.mark.parametrize(
    ("language", "known", "said"),
    [
        ("en", {}, "- 3 databases, 693,000 documents, 64.4 GB: lecteurs"),
        ("fr", {}, "- 3 bases, 693\u202f000 documents, 64,4 Go : lecteurs"),
        ("en", {"database_count": 1, "documents": 1}, "- 1 database, 1 document, 64.4 GB: lecteurs"),
        ("fr", {"database_count": 1, "documents": 0}, "- 1 base, 0 document, 64,4 Go : lecteurs"),
        ("de", {}, "- 3 Datenbanken, 693.000 Dokumente, 64,4 GB: lecteurs"),
        ("de", {"database_count": 1, "documents": 0}, "- 1 Datenbank, 0 Dokumente, 64,4 GB: lecteurs"),
        ("es", {}, "- 3 bases de datos, 693\u202f000 documentos, 64,4 GB: lecteurs"),
        ("es", {"database_count": 1, "documents": 1}, "- 1 base de datos, 1 documento, 64,4 GB: lecteurs"),
        ("en", {"ransomed_count": 1, "wiped_count": 0, "first_hit": FIRST_SEEN}, "wiped once, by 2026-03-01"),
        (
            "fr",
            {"ransomed_count": 2, "wiped_count": 0, "first_hit": FIRST_SEEN},
            "effacé 2 fois, la première",
        ),
        ("de", {"ransomed_count": 1, "wiped_count": 0, "first_hit": FIRST_SEEN}, "Einmal erpresst oder"),
        ("en", {"documents": None, "bytes": None}, "- 3 databases: lecteurs"),
        ("en", {"databases": [], "database_count": None, "documents": None, "bytes": None}, "- ?."),
        ("en", {"last_seen_open": FIRST_SEEN}, "- Seen open once, on 2026-03-01 08:30 UTC"),
        ("en", {"open_at_least_seconds": 60}, "open for 1 minute at least"),
        ("fr", {"open_at_least_seconds": 60}, "ouvert depuis 1 minute au moins"),
        ("fr", {"open_at_least_seconds": 0}, "ouvert depuis 0 minute au moins"),
        ("de", {"open_at_least_seconds": 60}, "mindestens 1 Minute lang offen"),
        ("de", {"open_at_least_seconds": 0}, "mindestens 0 Minuten lang offen"),
        ("es", {"open_at_least_seconds": 3 * 86400}, "abierto durante 3 días como mínimo"),
    ],
)
def test_figures_are_said_as_the_language_says_them(language: str, known: dict[str, Any], said: str) -> None:
    text = letter(exposure(**known), language=language).plain
    assert said in re.sub(r"\n  (?! )", " ", text)


def test_no_line_of_french_begins_with_a_sign_that_belongs_to_the_word_before() -> None:
    for width in range(60):
        text = plain([Paragraph(Text("x" * width + " le mot : et le reste ; voilà", {}))])
        assert not re.search(r"(?m)^[:;!?]", text)


def test_every_language_has_the_same_texts_with_the_same_places() -> None:
    assert languages() == tuple(sorted(LANGUAGES))
    assert [found for language in LANGUAGES for found in problems(language, FOLDER)] == []


@pytest.mark.parametrize("page", ["notify", "confirm"])
def test_the_pages_name_every_language(page: str) -> None:
    named = {"de": "German", "en": "English", "es": "Spanish", "fr": "French"}
    text = (Path(__file__).parents[3] / f"docs/{page}.md").read_text(encoding="utf-8")
    assert all(named[language] in text for language in LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["warned", "reminded", "escalated", "closure-told"])
@pytest.mark.parametrize("count", [1, 2])
def test_every_kind_in_every_language(language: str, kind: str, count: int) -> None:
    one = closed if kind == "closure-told" else exposure
    some = [one(f"10.20.1.{number}") for number in range(count)]
    written = letter(*some, language=language, kind=kind, first_told=FIRST_SEEN)
    for text in (written.subject, written.plain, written.markdown):
        assert not re.search(r"\{\w+\}", text)
        assert "web platform" in text
    assert max(len(line) for line in written.plain.splitlines() if not line.startswith("    ")) <= 78


@pytest.mark.parametrize("kind", ["warned", "reminded", "escalated"])
def test_a_status_page_is_not_told_as_an_open_database(kind: str) -> None:
    reasons = [Reason(code="status-page-open", detail="db-a.example")]
    page = exposure(
        port=28017, topology="status_page", version="2.6.12", severity_reasons=reasons, databases=[]
    )
    written = letter(page, kind=kind, first_told=FIRST_SEEN)
    text = " ".join(written.plain.split())
    assert "status page" in written.subject
    for said in (
        "The status page of an old MongoDB server of web platform is shown",
        "asked for the page by HTTP",
    ):
        assert said in text
    for said in ("list of databases", "read what is in it", "createUser", "--eval"):
        assert said not in text
    both = letter(page, exposure(), kind=kind, first_told=FIRST_SEEN)
    assert "status page" not in both.subject
    assert "list of databases" in " ".join(both.plain.split())


def test_it_says_what_since_when_how_large_and_how_we_know() -> None:
    one = exposure(ransom_names=["READ_ME"], ransomed_count=13, first_hit=FIRST_SEEN, last_hit=NOW)
    text = " ".join(letter(one).plain.split())
    for said in (
        "10.20.1.17:27017, critical. MongoDB 4.0.3, standalone.",
        "Seen open first on 2026-03-01 08:30 UTC, last on 2026-03-08 08:30 UTC",
        "3 databases, 693,000 documents, 64.4 GB: lecteurs, shop, stats",
        "sent no password, asked for the list of databases, and got it",
        "Held to ransom or wiped 13 times, first by 2026-03-01 08:30 UTC",
        f"mongosweep verify {one.exposure_id}",
        f"mongosweep acknowledge {one.exposure_id} --by",
        "No document was read",
    ):
        assert said in text


@pytest.mark.parametrize(
    ("changes", "says", "says_not"),
    [
        (
            {"version": "2.4.9"},
            [
                "/etc/mongodb.conf",
                "bind_ip = 127.0.0.1,ADDRESS",
                "auth = true",
                "db.addUser({user",
                "service mongodb",
            ],
            ["bindIp", "createUser", "mongosh"],
        ),
        ({"version": "2.2.7"}, ['db.addUser("admin", "A-LONG-PASSWORD")'], ["createUser"]),
        ({"version": "2.6.12"}, ["bindIp: 127.0.0.1,ADDRESS", "createUser", "bind_ip"], ["passwordPrompt"]),
        (
            {"version": "4.0.3"},
            ["authorization: enabled", "mongo --port 27017 admin"],
            ["mongosh", "keyFile"],
        ),
        ({"version": "4.4.1"}, ["passwordPrompt()", "mongo --port"], ["A-LONG-PASSWORD"]),
        ({"version": "7.0.5"}, ["mongosh --port 27017 admin"], ["gets no more repairs"]),
        ({"version": ""}, ["authorization: enabled", "In 2.4 and older", "mongosh"], []),
        (
            {"topology": "secondary", "set_name": "rs0"},
            ["keyFile: /etc/mongodb-keyfile", "openssl rand", "On the primary", "transitionToAuth"],
            ["--auth"],
        ),
        (
            {"topology": "secondary", "set_name": "rs0", "version": "3.2.1"},
            ["at the same time"],
            ["transitionToAuth"],
        ),
        (
            {"topology": "mongos"},
            ["/etc/mongos.conf", "systemctl restart mongos", "each shard needs a local administrator"],
            ["authorization: enabled"],
        ),
        ({"product": "ferretdb"}, ["is not MongoDB's own server"], ["createUser", "authorization"]),
        (
            {"topology": "status_page", "version": "2.6.12", "port": 28017},
            ["dport 28017", "enabled: false", "nohttpinterface = true", "service mongod restart"],
            ["createUser", "authorization", "28017:27017"],
        ),
        (
            {"topology": "status_page", "version": "2.4.9", "port": 28017},
            ["/etc/mongodb.conf", "nohttpinterface = true", "service mongodb restart"],
            ["createUser", "enabled: false"],
        ),
        ({"port": 27018}, ["dport 27018", "127.0.0.1:27018:27017", "port: 27018"], ["dport 27017"]),
    ],
    ids=[
        "2.4",
        "2.2",
        "2.6",
        "4.0",
        "4.4",
        "7.0",
        "unknown",
        "set",
        "old-set",
        "mongos",
        "ferretdb",
        "page",
        "old-page",
        "port",
    ],
)
def test_the_way_to_close_it_follows_version_and_role(
    changes: dict[str, Any], says: list[str], says_not: list[str]
) -> None:
    one = exposure(port=changes.pop("port", 27017), **changes)
    text = " ".join(plain(steps(situation(one), texts("en"))).split())
    assert [phrase for phrase in says if phrase not in text] == []
    assert [phrase for phrase in says_not if phrase in text] == []
    for platform in (
        "ufw",
        "firewall-cmd",
        "nft ",
        "DOCKER-USER",
        "NetFirewall",
        "aws ec2",
        "az network",
        "gcloud",
    ):
        assert platform in text


def test_servers_in_the_same_situation_are_told_how_once() -> None:
    some = [exposure(f"10.20.1.{number}") for number in range(1, 30)]
    text = letter(*some, exposure("10.20.2.1", version="2.4.1")).plain
    assert text.count("db.createUser(") == 1
    assert text.count("db.addUser(") == 1
    assert text.count("sudo firewall-cmd --permanent --remove-port") == 1


def test_an_owner_with_very_much_gets_a_letter_of_bounded_length() -> None:
    some = [exposure(f"10.{a}.{b}.1", databases=["x" * 200] * 50) for a in range(20, 70) for b in range(100)]
    written = letter(*some)
    assert "5,000" not in written.subject
    assert len(written.plain) < 200_000
    assert len(written.data["exposures"]) == 400
    assert "and 4600 more" in written.plain


def test_hostile_names_do_nothing_in_markdown() -> None:
    one = exposure(
        databases=HOSTILE[:12],
        hints=HOSTILE[:12],
        ransom_names=HOSTILE[:12],
        set_name=HOSTILE[2],
        topology="primary",
        hostnames=HOSTILE[3:],
        version=HOSTILE[0],
        newest_write="",
    )
    written = letter(one, owner=HOSTILE[6])
    tokens = MarkdownIt("commonmark", {"html": True}).parse(written.markdown)
    kinds = {inner.type for token in tokens for inner in (token, *(token.children or ()))}
    assert not kinds & {
        "html_block",
        "html_inline",
        "link_open",
        "image",
        "blockquote_open",
        "hr",
        "autolink",
    }
    headings = [token for token in tokens if token.type == "heading_open"]
    assert len(headings) == 5
    for text in (written.markdown, written.plain, written.subject):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", text)
    assert "\nBcc:" not in written.plain
    assert "\n" not in written.subject


@given(st.text())
def test_a_code_span_holds_any_name_whole(name: str) -> None:
    (token,) = [t for t in MarkdownIt("commonmark").parse(f"a {code_span(name)} b") if t.type == "inline"]
    assert token.children is not None
    assert [child.type for child in token.children] == ["text", "code_inline", "text"]


@given(st.text())
def test_any_text_stays_a_paragraph(name: str) -> None:
    blocks: list[Any] = [Paragraph(Text("a {one} {two} b", {"one": name, "two": Name(name)}))]
    tokens = MarkdownIt("commonmark").parse(markdown(blocks))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert tokens[1].children is not None
    assert {child.type for child in tokens[1].children} <= {"text", "code_inline", "text_special"}
    assert "\n" not in one_line(Text("{one}", {"one": name}))


@pytest.mark.parametrize("language", languages())
def test_what_ended_or_preceded_it_is_said_in_words_and_an_unknown_code_by_its_own(language: str) -> None:
    say = texts(language).table
    assert {"not-found", "answered-not-open", "refused"} <= say["how_before"].keys()
    proofs = {"asks-for-a-login", "asks-for-a-certificate", "refused-twice", "another-service-twice"}
    assert proofs == say["closed_how"].keys()
    told = letter(closed(closed_how="new-proof"), language=language, kind="closure-told")
    assert "new-proof" in told.plain


def test_owners_without_a_name_are_somebody() -> None:
    assert "an owner who is not named" in letter(exposure(owner=SHOP), owner="").subject


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_says_from_where_it_is_open(language: str) -> None:
    everybody = exposure(reach="internet", reach_since=FIRST_SEEN, open_from=["internet"])
    inside = exposure(reach="one_vantage", open_from=["office"], not_open_from=["lab_x", "internet"])
    say = texts(language)
    assert "internet" in letter(everybody, language=language).plain.casefold()
    since = say.table["fact"]["reach_internet"].partition("{")[0]
    assert since in letter(everybody, language=language).plain
    told = letter(inside, language=language)
    names = say.table["fact"]["reach"].format(
        vantages=say.word("words.office"), others=f"lab_x, {say.word('words.internet')}"
    )
    assert names in " ".join(told.plain.split())
    assert since not in told.plain
