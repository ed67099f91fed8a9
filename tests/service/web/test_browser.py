"""The page in a real browser, over a real page process: every page for each role, by mouse and by keys alone,
with axe-core, hostile names everywhere, and without JavaScript.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from results.ledger.actions import Actions
from scanner.service.admission.roles import Role
from tests.support.axe import violations
from tests.support.browser import ENTER, PHONE, TAB
from tests.support.watched_page import PASSWORD

if TYPE_CHECKING:
    from tests.support.browser import Page
    from tests.support.watched_page import Watched

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("page in the browser")]

PAGES = (
    *("/", "/exposures", "/exposures?view=all&sort=size", "/exposures/{ordinary}", "/exposures/{hostile}"),
    *(
        "/exposures/{closed}",
        "/owners",
        "/owners/one?name=shop",
        "/trends",
        "/coverage",
        "/scope",
        "/runs",
        "/runs/{run}",
    ),
    *("/compare?old={older}&new={run}", "/sinks", "/settings", "/no-such-page"),
)
FORMS: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"scheme": "dark"},
    "phone": {"width": PHONE[0], "height": PHONE[1]},
    "print": {"media": "print"},
}
_OPEN_ALL = "document.querySelectorAll('details').forEach((each) => { each.open = true; })"
_PROD = """
for (const kind of ["mouseover", "focus", "click", "error", "load"])
  document.querySelectorAll("main :is([onmouseover], img, iframe, td, th, summary, li)")
    .forEach((each) => each.dispatchEvent(new Event(kind)));
"""
_STOPS = """
const first = (each) => document.querySelector(`[type=radio][name="${each.name}"]:checked`)
  || document.querySelector(`[type=radio][name="${each.name}"]`);
return [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
  .filter((each) => !each.disabled && each.type !== "hidden" && each.tabIndex >= 0
    && each.checkVisibility({visibilityProperty: true}) && each.getClientRects().length
    && (each.type !== "radio" || each === first(each)))  // one stop for a group, whose others arrows reach
  .length;
"""
_FOCUSED = """
const at = document.activeElement;
if (!at || at === document.body) return null;
const style = getComputedStyle(at);
const box = at.getBoundingClientRect();
const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
const ring = outlined || style.boxShadow !== "none";
const says = at.textContent.trim().slice(0, 30);
return {
  what: `${at.tagName} ${at.id} ${at.getAttribute("href") || at.name || ""} ${says}`,
  place: [...document.querySelectorAll("*")].indexOf(at),
  shown: ring && box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight,
};
"""

ALWAYS = ("/", "/exposures", "/exposures/{hostile}", "/coverage", "/runs")
"""Pages that are looked at in light with every change; all others, and the other forms, with all rows."""


def forms() -> list[Any]:
    return [
        pytest.param(
            place,
            form,
            marks=[] if form == "light" and place in ALWAYS else [pytest.mark.exhaustive],
            id=f"{place} {form}",
        )
        for place in PAGES
        for form in FORMS
    ]


@pytest.mark.parametrize(("place", "form"), forms())
def test_every_page_is_quiet_and_accessible_and_fits(watched: Watched, place: str, form: str) -> None:
    """Nothing on the console, no request to anybody else, nothing wider than the window, a title and one
    heading of its own; and no violation by axe-core, which sees no paper."""
    watched.open(place, **FORMS[form])
    page = watched.page
    page.run(_OPEN_ALL)
    page.run(_PROD)
    assert watched.troubles(place) == []
    wide = page.run("return [document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide[0] <= wide[1]
    assert page.run("return document.querySelectorAll('h1').length") == 1
    assert page.run("return document.title").endswith(" - mongosweep")
    if form != "print":
        assert violations(page) == []


def test_axe_sees_what_is_wrong(watched: Watched) -> None:
    """So that its silence means something."""
    watched.open("/exposures")
    watched.page.run("document.querySelector('main').append(document.createElement('img'))")
    assert [line for line in violations(watched.page) if line.startswith("image-alt: ")]
    watched.page.requests()


def test_hostile_names_are_shown_and_do_nothing(watched: Watched) -> None:
    """On every page: no script but ours, no element that a name made, hidden characters in sight."""
    shown = ""
    for place in PAGES:
        watched.open(place)
        page = watched.page
        page.run(_OPEN_ALL + ";" + _PROD)
        shown += page.run("return document.body.innerText")
        scripts = page.run("return [...document.scripts].map((each) => each.getAttribute('src') || 'inline')")
        assert all(re.fullmatch(r"/static/[0-9a-f]+/[\w.-]+", source) for source in scripts), scripts
        made = "iframe, object, embed, base, main img, main link, main style, [onerror], [onmouseover]"
        assert page.run(f"return document.querySelectorAll({made!r}).length") == 0
        links = page.run("return [...document.querySelectorAll('[href]')].map((each) => each.href)")
        assert all(link.startswith(watched.process.url + "/") for link in links)
        troubles = watched.troubles(place)
        assert [each for each in troubles if "404 (Not Found)" not in each] == []
    for name in ("<script>alert(1)</script>", "\\u202e", "\\x1b[31m", "${alert(6)}`{{7*7}}", "&lt;b&gt;"):
        assert name in shown
    assert not {"\u202e", "\x1b", "\u2028"} & set(shown)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(place, marks=[] if number in (1, 3) else [pytest.mark.exhaustive])
        for number, place in enumerate(PAGES)
    ],
)
def test_keys_alone_reach_everything_in_sight(watched: Watched, place: str) -> None:
    """Each stop shows that it has the focus, in the order of the page; the first leads to the content."""
    watched.open(place)
    page = watched.page
    page.run(_OPEN_ALL)
    stops = page.run(_STOPS)
    found: list[dict[str, Any]] = []
    for _ in range(stops + 20):
        page.press(TAB)
        at = page.run(_FOCUSED)
        if found and at and at["place"] == found[-1]["place"]:
            continue  # the parts of a date are stops of their own
        if at is None or any(at["place"] == each["place"] for each in found):
            break
        found.append(at)
    assert found[0]["what"].split()[:2] == ["A", "#content"]
    assert [each["what"] for each in found if not each["shown"]] == []
    assert [each["place"] for each in found] == sorted(each["place"] for each in found)
    assert len(found) == stops
    page.requests()


def test_an_exposure_is_acknowledged_by_keys_alone(watched: Watched) -> None:
    """From the sign-in to the line in the list of actions, with the name of who did it."""
    watched.sign_out()
    page = watched.page
    page.open(watched.process.url + "/exposures")
    assert page.run("return location.pathname") == "/login"
    assert violations(page) == []
    page.press("web-oncall", TAB, PASSWORD, ENTER)
    page.until("return location.pathname === '/exposures' && document.readyState === 'complete'")
    _walk_to(page, "10.20.0.11:27017")
    page.press(ENTER)
    page.until("return document.querySelector('h1')?.innerText === '10.20.0.11:27017'")
    _walk_to(page, "acknowledge-text", "return document.activeElement.id")
    page.press("the port is being closed", TAB, ENTER)
    assert "at it" in page.until("return document.querySelector('#done')?.innerText")
    (last,) = Actions.open(watched.process.output).of([watched.ids["10.20.0.11"]])[-1:]
    assert (last.kind, last.by, last.detail) == ("acknowledged", "web-oncall", "the port is being closed")
    assert watched.troubles("/no-such-page") == []
    watched.sign_out()


def _walk_to(page: Page, wanted: str, asks: str = "return document.activeElement.innerText") -> None:
    """Press Tab until the focus is there; a part that is closed and in the way is opened with a key."""
    for _ in range(120):
        page.press(TAB)
        if page.run("return document.activeElement.tagName") == "SUMMARY" and not page.run(
            "return document.activeElement.parentElement.open"
        ):
            page.press(ENTER)
        if wanted in str(page.run(asks)):
            return
    raise AssertionError(f"{wanted} is not reached")


@pytest.mark.parametrize("role", [Role.VIEW, Role.ACKNOWLEDGE, Role.OPERATE], ids=lambda role: role.word)
def test_a_role_is_shown_what_it_may_do(watched: Watched, role: Role) -> None:
    """And no page shows it more; what a form would send is refused from those to whom it is not shown."""
    deed = f"/exposures/{watched.ids['10.20.0.12']}/note"
    watched.open("/exposures/{ordinary}", role)
    page = watched.page
    posts = page.run(
        "return [...document.forms].map((each) => `${each.method} ${each.getAttribute('action')}`)"
    )
    assert (f"post {deed}" in posts) == (role >= Role.ACKNOWLEDGE)
    assert "post /logout" in posts
    answer = watched.process.post(deed, {"text": f"by {role.name}"}, role=role)
    assert answer.status == (303 if role >= Role.ACKNOWLEDGE else 403)


@pytest.mark.exhaustive
def test_without_script_all_is_read(watched: Watched) -> None:
    """What a page says is the same."""
    page = watched.page
    read = "return document.querySelector('main').textContent.replace(/\\s+/g, ' ')"
    for each in PAGES:
        watched.open(each)
        with_script = page.run(read)
        page.without_script(True)
        try:
            watched.open(each)
            assert len(page.run(read)) > 0.8 * len(with_script) > 0
        finally:
            page.without_script(False)


def test_without_script_forms_work(watched: Watched) -> None:
    """What is written down arrives."""
    page = watched.page
    page.without_script(True)
    try:
        watched.open("/exposures/{ordinary}")
        page.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        note = page.driver.find_element("id", "note-text")
        note.send_keys("without a script")
        note.submit()
        assert "The note is written down." in page.until("return document.querySelector('#done')?.innerText")
    finally:
        page.without_script(False)
    (last,) = Actions.open(watched.process.output).of([watched.ids["10.20.0.12"]])[-1:]
    assert (last.kind, last.by, last.detail) == ("noted", "operate", "without a script")


@pytest.mark.exhaustive
def test_no_link_leads_nowhere(watched: Watched) -> None:
    """Followed from the first page on, as a program does, within the page."""
    process = watched.process
    waiting, seen = ["/"], {"/"}
    while waiting and len(seen) < 150:
        answer = process.get(waiting.pop())
        assert answer.status == 200, answer.text[:500]
        if answer.headers.get_content_type() != "text/html":
            continue
        for link in re.findall(r'href="(/[^"#]*)', answer.text):
            path = link.replace("&amp;", "&")
            if path not in seen:
                seen.add(path)
                waiting.append(path)
    assert len(seen) > 12


def test_the_theme_is_chosen_and_kept(watched: Watched) -> None:
    ground = "return getComputedStyle(document.body).backgroundColor"
    watched.open("/exposures")
    before = watched.page.run(ground)
    watched.page.run("document.getElementById('theme').click()")
    assert watched.page.run(ground) != before
    watched.open("/exposures/{ordinary}")
    assert watched.page.run(ground) != before
    watched.page.run("document.getElementById('theme').click()")
    assert watched.page.run(ground) == before
