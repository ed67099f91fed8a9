"""The pages of exposures and owners: what they say, what people write down there, hostile names on them."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from results.ledger.actions import ActionRecord, Actions
from results.ledger.store import LedgerRun
from results.ledger.tracked import Acceptance
from scanner.service.view.snapshot import Snapshot
from scanner.service.web.assets import assets
from scanner.service.web.pages import exposure as exposure_page
from scanner.service.web.pages import exposures, owners, trends
from scanner.service.web.selection import SORTS
from scanner.service.web.visitor import Role
from tests.results.injections import INJECTIONS
from tests.support.exposures import NOW, SHOP, WEB, exposure
from tests.support.invented import NOW as INVENTED_NOW
from tests.support.invented import invented
from tests.support.invented import text as as_text
from tests.support.page_app import Elements, StandingReader, client, page_app, plain, snapshot_of

if TYPE_CHECKING:
    from pathlib import Path

    from results.ledger.actions import Stage

ROOMS = (exposures, exposure_page, owners, trends)
ONE = exposure()
COMPLETE = LedgerRun(
    run_id="r", path="r", state="complete", created_at=NOW, ended_at="2026-03-08T11:00:00.000Z", planned=256
)
_ALLOWED = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "link",
        "script",
        "body",
        "a",
        "header",
        "img",
        "nav",
        "ul",
        "li",
        "div",
    ),
    *("span", "bdi", "form", "input", "button", "main", "footer", "p", "h1", "h2", "h3", "section", "label"),
    *("select", "option", "table", "caption", "colgroup", "col", "thead", "tbody", "tr", "th", "td", "svg"),
    *("rect", "circle", "line", "time", "b", "br", "i", "details", "summary", "textarea", "dl", "dt", "dd"),
    *("ol", "code", "pre"),
}


async def got(
    tmp_path: Path, snapshot: Snapshot, path: str, role: Role = Role.OPERATE, status: int = 200
) -> str:
    async with client(page_app(ROOMS, StandingReader(snapshot, tmp_path), tmp_path, role)) as page:
        answer = await page.get(path, allow_redirects=False)
        assert answer.status == status, await answer.text()
        return await answer.text()


async def posted(
    tmp_path: Path, snapshot: Snapshot, path: str, form: dict[str, str], role: Role = Role.ACKNOWLEDGE
) -> tuple[int, str, str]:
    async with client(page_app(ROOMS, StandingReader(snapshot, tmp_path), tmp_path, role)) as page:
        answer = await page.post(path, data=form, allow_redirects=False)
        return answer.status, await answer.text(), answer.headers.get("Location", "")


# --- what "nothing is open" rests on -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "said", "never"),
    [
        ([], "Nothing was swept yet", "Nothing is open"),
        (
            [COMPLETE],
            "ended 1 hour ago and is complete: it reached all 256 targets that it set out to ask",
            "proves nothing",
        ),
        (
            [replace(COMPLETE, state="degraded")],
            "is degraded: that it did not report a place proves nothing",
            "is complete",
        ),
        ([replace(COMPLETE, state="running", ended_at="")], "Nothing was swept yet", "is complete"),
        (
            [COMPLETE, replace(COMPLETE, state="interrupted", ended_at="")],
            "is interrupted: that",
            "is complete",
        ),
        (
            [COMPLETE, replace(COMPLETE, state="unreadable", damage="torn")],
            "is unreadable: that",
            "is complete",
        ),
        ([COMPLETE, replace(COMPLETE, purpose="verify", state="degraded")], "and is complete", "degraded"),
    ],
)
async def test_an_empty_list_says_what_that_is_worth(
    tmp_path: Path, runs: list[LedgerRun], said: str, never: str
) -> None:
    text = plain(await got(tmp_path, Snapshot(NOW, NOW, [], runs, []), "/exposures"))
    assert said in text
    assert never not in text


async def test_a_search_that_finds_nothing_never_says_that_nothing_is_open(tmp_path: Path) -> None:
    text = plain(await got(tmp_path, Snapshot(NOW, NOW, [ONE], [COMPLETE], []), "/exposures?q=nowhere"))
    assert "Nothing matches" in text
    assert "Nothing is open" not in text
    text = plain(await got(tmp_path, Snapshot(NOW, NOW, [ONE], [COMPLETE], []), "/exposures?view=overdue"))
    assert "Nothing is open" not in text


# --- the list -----------------------------------------------------------------------------------------


async def test_the_list_shows_each_with_its_place_owner_and_deadline(tmp_path: Path) -> None:
    late = exposure("10.30.0.1", owner=SHOP, overdue=True, due_at="2026-03-05T12:00:00.000Z", wiped_count=2)
    text = await got(tmp_path, snapshot_of([ONE, late]), "/exposures")
    assert f'href="/exposures/{ONE.exposure_id}"' in text
    seen = plain(text)
    assert "10.20.1.17:27017" in seen
    assert "was due 3 days ago" in seen
    assert "wiped 2x" in seen
    assert "1 to 2 of 2 exposures, gravest first" in seen


async def test_a_wrong_address_is_a_page_that_says_what_to_write(tmp_path: Path) -> None:
    text = await got(tmp_path, snapshot_of([ONE]), "/exposures?view=opne", status=400)
    assert "view is opne; write one of open" in text


# --- one exposure -------------------------------------------------------------------------------------


async def test_an_exposure_is_found_by_a_former_id_and_by_its_beginning(tmp_path: Path) -> None:
    one = replace(ONE, exposure_id="mx_0123456789ab", former_ids=["mx_ffffffffffff"])
    snapshot = snapshot_of([one])
    assert "10.20.1.17:27017" in await got(tmp_path, snapshot, "/exposures/mx_0123456789ab")
    for name in ("mx_ffffffffffff", "mx_0123"):
        async with client(page_app(ROOMS, StandingReader(snapshot, tmp_path), tmp_path)) as page:
            answer = await page.get(f"/exposures/{name}", allow_redirects=False)
            assert (answer.status, answer.headers["Location"]) == (303, "/exposures/mx_0123456789ab")
    text = await got(tmp_path, snapshot, "/exposures/mx_0123456789ac", status=404)
    assert "Nearest are mx_0123456789ab" in text


@pytest.mark.parametrize(
    ("deed", "form", "kind"),
    [
        ("acknowledge", {"text": "at it"}, "acknowledged"),
        ("accept", {"text": "moves in May", "until": "2026-12-31"}, "accepted"),
        ("note", {"text": "the backup is whole"}, "noted"),
        ("note", {"text": "a customer wrote", "since": "2026-03-01"}, "aware"),
    ],
)
async def test_what_a_person_writes_is_in_the_chain_with_their_name(
    tmp_path: Path, deed: str, form: dict[str, str], kind: str
) -> None:
    path = f"/exposures/{ONE.exposure_id}/{deed}"
    if "until" in form:  # the page's clock is the machine's
        form = form | {"until": _next_month()}
    status, _, location = await posted(tmp_path, snapshot_of([ONE]), path, form)
    assert (status, location) == (303, f"/exposures/{ONE.exposure_id}?done={deed}#done")
    (written,) = Actions.open(tmp_path).proven
    assert (written.kind, written.by, written.detail) == (kind, "web on-call", form["text"])
    told = await got(tmp_path, snapshot_of([ONE]), f"/exposures/{ONE.exposure_id}?done={deed}")
    assert 'id="done" role="status"' in told


def _next_month() -> str:
    from datetime import UTC, datetime, timedelta

    return f"{datetime.now(UTC) + timedelta(days=30):%Y-%m-%d}"


async def test_what_was_not_taken_stands_in_the_form_again_beside_what_is_wrong(tmp_path: Path) -> None:
    form = {"text": '</textarea><script>alert(1)</script>"\\x', "until": "yesterday"}
    path = f"/exposures/{ONE.exposure_id}/accept"
    status, text, _ = await posted(tmp_path, snapshot_of([ONE]), path, form)
    assert status == 422
    assert "yesterday is no day; write one such as" in text
    assert "&lt;/textarea&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#34;\\x</textarea>" in text
    assert 'aria-invalid="true"' in text
    assert "Nothing was written down" in text
    assert not Actions.open(tmp_path).all()


async def test_a_viewer_sees_no_form_and_can_write_nothing(tmp_path: Path) -> None:
    assert "Write down" not in await got(
        tmp_path, snapshot_of([ONE]), f"/exposures/{ONE.exposure_id}", Role.VIEW
    )
    path = f"/exposures/{ONE.exposure_id}/note"
    status, _, _ = await posted(tmp_path, snapshot_of([ONE]), path, {"text": "x"}, Role.VIEW)
    assert status == 403
    assert not Actions.open(tmp_path).all()


async def test_forms_fit_where_the_exposure_stands(tmp_path: Path) -> None:
    """Closed: only a note. Accepted: it can be withdrawn."""
    closed = replace(
        ONE, state="closed", closed_before="2026-03-08T09:00:00.000Z", closed_how="refused-twice"
    )
    text = await got(tmp_path, snapshot_of([closed]), f"/exposures/{ONE.exposure_id}")
    assert re.findall(r'action="/exposures/\w+/(\w+)"', text) == ["note"]
    taken = Acceptance(by="a person", at=NOW, until="2026-09-01T00:00:00.000Z", reason="moves")
    accepted = replace(ONE, state="accepted", acceptance=taken)
    text = await got(tmp_path, snapshot_of([accepted]), f"/exposures/{ONE.exposure_id}")
    assert re.findall(r'action="/exposures/\w+/(\w+)"', text) == ["acknowledge", "withdraw", "accept", "note"]


async def test_commands_to_write_are_code_and_names_of_a_server_never(tmp_path: Path) -> None:
    text = await got(
        tmp_path, snapshot_of([replace(ONE, databases=["`shop`"])]), f"/exposures/{ONE.exposure_id}"
    )
    assert f"have that proved: <code>mongosweep verify {ONE.exposure_id}</code>." in text
    assert "`shop`" in text


async def test_a_deed_nobody_knows_is_no_address(tmp_path: Path) -> None:
    path = f"/exposures/{ONE.exposure_id}/delete"
    status, _, _ = await posted(tmp_path, snapshot_of([ONE]), path, {})
    assert status == 404


# --- owners -------------------------------------------------------------------------------------------


def told(*ids: str, stage: Stage = "done", number: int = 1, message_id: str = "") -> list[ActionRecord]:
    day, message_id = f"2026-03-0{number}T10:00", message_id or f"m{number}"
    first = ActionRecord(
        at=f"{day}:00.000Z",
        kind="warned",
        exposure_ids=list(ids),
        to=["web@example.com"],
        message_id=message_id,
        transport="smtp",
        stage="intended",
    )
    last = ActionRecord(
        at=f"{day}:01.000Z", kind="warned", message_id=message_id, stage=stage, detail="250 Ok"
    )
    return [first, last]


async def test_owners_stand_with_what_is_overdue_first_and_link_to_what_is_theirs(tmp_path: Path) -> None:
    shop = exposure("10.30.0.1", owner=SHOP, overdue=True, bytes=1)
    text = await got(tmp_path, snapshot_of([ONE, shop]), "/owners")
    assert re.findall(r'href="(/owners/one\?name=[^"]*)"', text) == [
        "/owners/one?name=shop",
        "/owners/one?name=web+platform",
    ]


async def test_an_owner_shows_what_was_sent_and_what_became_of_it(tmp_path: Path) -> None:
    other = exposure("10.30.0.1", owner=SHOP)
    actions = [
        *told(ONE.exposure_id, number=1),
        *told(other.exposure_id, number=2),
        *told(ONE.exposure_id, other.exposure_id, stage="failed", number=3),
    ]
    snapshot = Snapshot(NOW, NOW, [ONE, other], [], actions)
    text = plain(await got(tmp_path, snapshot, "/owners/one?name=web+platform"))
    assert [*re.findall(r"2026-03-0\d 10:00", text)] == ["2026-03-03 10:00", "2026-03-01 10:00"]
    assert "failed : 250 Ok" in text
    assert "received: 250 Ok" in text
    by_hand = replace(
        actions[0], at="2026-03-05T10:00:00.000Z", message_id="", stage="", hash="h", transport=""
    )
    text = plain(
        await got(tmp_path, Snapshot(NOW, NOW, [ONE], [], [by_hand]), "/owners/one?name=web+platform")
    )
    assert "2026-03-05 10:00 UTC told web@example.com - 1 received" in text
    unproven = Snapshot(NOW, NOW, [ONE, other], [], actions, unproven=2)
    text = plain(await got(tmp_path, unproven, "/owners/one?name=web+platform"))
    assert "failed" not in text, "what the chain does not prove is told to nobody as sent"
    await got(tmp_path, snapshot, "/owners/one?name=nobody", status=404)


# --- hostile names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", INJECTIONS, ids=lambda name: ascii(name)[:20])
async def test_hostile_names_are_text_on_every_page(tmp_path: Path, name: str) -> None:
    hostile = replace(
        ONE,
        hostnames=[name],
        databases=[name, name],
        product=name,
        version=name,
        set_name=name,
        owner=replace(WEB, owner=name, contact=name, site=name),
        place=replace(ONE.place, site=name),
        acknowledged_at=NOW,
        acknowledged_by=name,
        acceptance=Acceptance(by=name, at=NOW, until="2026-09-01T00:00:00.000Z", reason=name),
        former_ids=[],
    )
    snapshot = Snapshot(NOW, NOW, [hostile], [COMPLETE], [])
    short = name[:50]
    async with client(page_app(ROOMS, StandingReader(snapshot, tmp_path), tmp_path)) as page:
        for path in ("/exposures", f"/exposures/{ONE.exposure_id}", "/owners"):
            answer = await page.get(path)
            text = await answer.text()
            assert answer.status == 200
            assert len(text) < 4_000_000
            elements = Elements(text)
            assert elements.names <= _ALLOWED
            assert not elements.bad
            assert len(elements.ids) == len(set(elements.ids)), "an id is there once"
            seen = re.sub(r'value="[^"]*"', "", text)  # what a form sends back is as it was
            assert not set("\x1b\x07\x9b\u202e\u2028\x85\0") & set(seen)
        answer = await page.get("/exposures", params={"q": short.encode("utf-8", "replace").decode()})
        assert not Elements(await answer.text()).bad


# --- a chain that is broken ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/exposures", f"/exposures/{ONE.exposure_id}", "/owners", f"/owners/one?name={WEB.owner}", "/trends"],
)
async def test_pages_that_rest_on_a_broken_chain_say_so(tmp_path: Path, path: str) -> None:
    actions = told(ONE.exposure_id)
    broken = Snapshot(NOW, NOW, [ONE], [COMPLETE], actions, unproven=2, doubt="line 7: it was changed")
    text = plain(await got(tmp_path, broken, path))
    assert "broken at line 7: it was changed" in text
    assert "mongosweep actions --vouch NAME" in text
    assert "broken at" not in await got(tmp_path, Snapshot(NOW, NOW, [ONE], [COMPLETE], actions), path)


async def test_a_chain_that_is_broken_takes_nothing_new_and_the_page_says_what_to_do(tmp_path: Path) -> None:
    actions = Actions.open(tmp_path, write=True)
    actions.append("noted", [ONE.exposure_id], at=NOW, by="a person", detail="x")
    actions.path.write_bytes(actions.path.read_bytes().replace(b"a person", b"b person"))
    path = f"/exposures/{ONE.exposure_id}/note"
    status, text, _ = await posted(tmp_path, snapshot_of([ONE]), path, {"text": "y"})
    assert status == 503
    assert "put the file back as it was" in text
    assert len(actions.path.read_bytes().splitlines()) == 1


# --- as large as it may be ----------------------------------------------------------------------------


@pytest.mark.exhaustive
async def test_pages_of_ten_thousand_exposures_are_quick_and_small(tmp_path: Path) -> None:
    """300 ms of this process, and what is needed to draw the list within 100 kB."""
    many = invented(10_000)
    ids = [each.exposure_id for each in many.exposures]
    actions = [
        record
        for number in range(20_000)
        for record in told(ids[number % 10_000], number=1, message_id=f"m{number}")
    ]
    snapshot = Snapshot(as_text(INVENTED_NOW), "1", many.exposures, [COMPLETE], actions)
    async with client(page_app(ROOMS, StandingReader(snapshot, tmp_path), tmp_path)) as page:
        for path in (
            *(
                "/exposures",
                "/exposures?q=berlin+7",
                f"/exposures/{ids[0]}",
                "/owners",
                "/owners/one?name=web",
            ),
            *(f"/exposures?view=all&sort={sort}" for sort in SORTS if sort in ("where", "open")),
        ):
            await page.get(path)
            spent = time.process_time()
            answer = await page.get(path)
            body = await answer.read()
            assert time.process_time() - spent < 0.3, path
            assert answer.status == 200
            needed = sum(len(assets()[name].packed) for name in ("report.css", "page.css", "page.js"))
            assert len(body) + needed < 100_000, path
