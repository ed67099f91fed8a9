"""The API, through a real page process over years that are made up: what is read, what may be written by
whom, and what is said of a request that cannot be taken.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from results.ledger.actions import Actions
from scanner.service.admission.roles import Role
from tests.support.page_process import running_page
from tests.support.serving import wait_until
from tests.support.years import OWNERS, SITES, Years, build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.page_process import Answer, PageProcess

pytestmark = pytest.mark.xdist_group("api")
SIZE = Years(exposures=60, actions=300, runs=6)
CONFIGURATION = """
[organisation]
name = "Example"

[[allow]]
cidr = "10.0.0.0/12"
owner = "web on-call"
authorised_by = "head of operations"

[[deny]]
cidr = "10.3.0.0/24"
reason = "medical device"
"""
SCHEMATHESIS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "409", "422"]
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageProcess]:
    folder = tmp_path_factory.mktemp("api")
    (folder / "mongosweep.toml").write_text(CONFIGURATION)
    build(folder / "runs", SIZE)
    with running_page(folder / "runs", folder / "mongosweep.toml") as running:
        yield running


def get(page: PageProcess, path: str, *, status: int = 200, role: Role = Role.VIEW, **headers: str) -> Any:
    """What a program with a token gets."""
    answer = page.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {page.token(role)}", **headers})
    assert answer.status == status, answer.text
    return answer.json if answer.body else None


def send(page: PageProcess, path: str, data: Any, *, role: Role = Role.ACKNOWLEDGE) -> Answer:
    """What a program with a token sends."""
    headers = {"Authorization": f"Bearer {page.token(role)}", "Content-Type": "application/json"}
    return page.request("POST", f"/api/v1/{path}", json.dumps(data).encode(), headers=headers)


def all_of(page: PageProcess, path: str, name: str, limit: int = 7) -> list[Any]:
    """Every page of a list."""
    found, after = [], ""
    while True:
        some = get(page, f"{path}{'&' if '?' in path else '?'}limit={limit}&after={quote(after)}")
        found += some[name]
        after = some["next"]
        if not after:
            return found
        assert len(some[name]) == limit


# --- reading ----------------------------------------------------------------------------------------------


def test_lists_come_in_pages_that_give_everything_once(page: PageProcess) -> None:
    exposures = all_of(page, "exposures", "exposures")
    assert len({each["exposure_id"] for each in exposures}) == len(exposures) == SIZE.exposures
    assert exposures == get(page, "exposures?limit=1000")["exposures"]
    runs = all_of(page, "runs", "runs", 4)
    assert [each["run_id"] for each in runs] == sorted((each["run_id"] for each in runs), reverse=True)
    assert len(runs) == SIZE.runs
    actions = all_of(page, "actions", "actions", 100)
    assert [each["number"] for each in actions] == list(range(len(actions), 0, -1))
    assert all(each["proven"] for each in actions)


def test_exposures_are_found_by_what_is_asked(page: PageProcess) -> None:
    everything = get(page, "exposures?limit=1000")["exposures"]
    closed = get(page, "exposures?state=closed&limit=1000")
    assert closed["total"] == sum(each["state"] == "closed" for each in everything) > 0
    both = get(page, "exposures?state=closed&state=open&limit=1000&sort=bytes&descending=true")["exposures"]
    assert {each["state"] for each in both} == {"closed", "open"}
    assert [each["bytes"] for each in both] == sorted((each["bytes"] for each in both), reverse=True)
    mine = get(page, f"exposures?owner={quote(OWNERS[0])}&site={SITES[0]}&open=true")["exposures"]
    assert {(each["owner"]["owner"], each["place"]["site"]) for each in mine} == {(OWNERS[0], SITES[0])}
    ip = everything[3]["place"]["ip"]
    assert ip in {each["place"]["ip"] for each in get(page, f"exposures?q={ip}")["exposures"]}
    assert get(page, f"exposures?q={quote(['<img', 'src=x', 'onerror=alert(1)>'][0])}")["total"] > 0


def test_one_exposure_has_what_happened_who_looked_and_what_was_done(page: PageProcess) -> None:
    one = get(page, "exposures?state=closed&limit=1")["exposures"][0]
    dossier = get(page, f"exposures/{one['exposure_id']}")
    assert dossier["exposure"]["exposure_id"] == one["exposure_id"]
    kinds = [each["kind"] for each in dossier["changes"]]
    assert (kinds[0], kinds[-1]) == ("opened", "closed")
    assert [each["at"] for each in dossier["looks"]] == sorted(each["at"] for each in dossier["looks"])
    named = [each["action"] for each in get(page, f"actions?exposure_id={one['exposure_id']}")["actions"]]
    assert dossier["actions"] == named[::-1]


def test_owners_coverage_scope_and_runs_agree_with_the_exposures(page: PageProcess) -> None:
    everything = get(page, "exposures?limit=1000")["exposures"]
    owners = get(page, "owners")["owners"]
    assert sum(each["open"] for each in owners) == sum(each["state"] != "closed" for each in everything)
    assert sum(each["closed"] for each in owners) == sum(each["state"] == "closed" for each in everything)
    assert sum(each["overdue"] for each in owners) == sum("overdue" in each for each in everything)
    coverage = get(page, "coverage")
    assert sum(coverage["by_age"].values()) == coverage["targets"] == (1 << 20) - 256
    scope = get(page, "scope")
    assert [each["entry"] for each in scope["allowed"]] == ["10.0.0.0/12"]
    assert [(each["reason"], each["addresses"]) for each in scope["denied"]] == [("medical device", 256)]
    newest = get(page, "runs?limit=1")["runs"][0]
    run = get(page, f"runs/{newest['run_id']}")
    assert run["run"] == newest
    assert run["manifest"]["outcomes"]["open"] == newest["open"]
    assert run["manifest"]["scope"]["text"] == ""
    assert run["manifest"]["who"]["user"] == "mongosweep"


def test_an_answer_that_still_holds_is_not_sent_again(page: PageProcess) -> None:
    headers = {"Authorization": f"Bearer {page.token(Role.VIEW)}"}
    first = page.get("/api/v1/exposures?limit=3", headers=headers)
    tag = first.headers["ETag"]
    again = page.get("/api/v1/exposures?limit=3", headers={**headers, "If-None-Match": f'"other", {tag}'})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    other = {"Authorization": f"Bearer {page.token(Role.OPERATE)}", "If-None-Match": tag}
    assert page.get("/api/v1/exposures?limit=3", headers=other).status == 200  # another role, another answer
    assert (
        send(page, f"exposures/{first.json['exposures'][0]['exposure_id']}/note", {"text": "x"}).status == 201
    )
    assert page.get("/api/v1/exposures?limit=3", headers={**headers, "If-None-Match": tag}).status == 200


# --- writing ----------------------------------------------------------------------------------------------


def test_what_is_written_down_is_in_the_actions_with_the_name_of_who_did_it(page: PageProcess) -> None:
    one = get(page, "exposures?state=open&limit=1")["exposures"][0]["exposure_id"]
    until = get(page, "exposures?limit=1")["at"]
    day = f"{int(until[:4]) + 1}{until[4:8]}01"
    for path, body, kind in (
        ("acknowledge", {"note": "moves on Friday"}, "acknowledged"),
        ("accept", {"until": day, "reason": "read-only copy"}, "accepted"),
        ("withdraw", {}, "acceptance-withdrawn"),
        ("note", {"text": "the backup is whole"}, "noted"),
        ("note", {"text": "a customer wrote", "aware_since": "2026-03-01T09:00:00Z"}, "aware"),
    ):
        answer = send(page, f"exposures/{one}/{path}", body)
        assert answer.status == 201, answer.text
        assert (answer.json["kind"], answer.json["by"]) == (kind, "token:acknowledge")
        newest = get(page, f"exposures/{one}")["actions"][-1]
        kept = {key: value for key, value in answer.json.items() if key not in ("hash", "previous")}
        assert newest == kept
    seen = get(page, f"exposures/{one}")["exposure"]
    assert seen["acknowledged_by"] == "token:acknowledge"
    assert seen["state"] == "open"
    assert seen["breach"]["began"] == "2026-03-01T09:00:00.000Z"
    written = Actions.open(page.output)
    assert written.broken is None
    assert written.proven[-1].hash == answer.json["hash"]


def test_a_role_that_may_only_look_writes_nothing(page: PageProcess) -> None:
    one = get(page, "exposures?state=open&limit=1")["exposures"][0]["exposure_id"]
    before = len(get(page, f"exposures/{one}")["actions"])
    for path, body in (("acknowledge", {}), ("note", {"text": "x"}), ("withdraw", {})):
        answer = send(page, f"exposures/{one}/{path}", body, role=Role.VIEW)
        assert (answer.status, answer.headers["Content-Type"]) == (403, "application/problem+json")
    assert len(get(page, f"exposures/{one}")["actions"]) == before
    kinds = {each["action"]["kind"] for each in get(page, "actions?limit=1000")["actions"]}
    assert "denied" not in kinds
    assert get(page, "actions?kind=denied", role=Role.OPERATE)["actions"]


# --- requests that cannot be taken ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "name", "said"),
    [
        ("exposures?limti=5", 400, "limti", "did you mean limit?"),
        ("exposures?limit=0", 400, "limit", "it is 0; write a whole number from 1 to 1000"),
        ("exposures?limit=1&limit=2", 400, "limit", "write it once"),
        ("exposures?limit=", 400, "limit", "it is empty; write a whole number from 1 to 1000"),
        ("exposures?state=opne", 400, "state", "it is opne; write one of accepted, changed, closed, new"),
        ("exposures?overdue=yes", 400, "overdue", "it is yes; write true or false"),
        ("exposures?sort=size", 400, "sort", "write one of bytes"),
        ("exposures?q=" + "x" * 201, 400, "q", "a text of at most 200 characters"),
        ("exposures?after=zz", 422, "after", "`next` of the page before"),
        ("runs?after=zz", 422, "after", "`next` of the page before"),
        ("actions?after=0", 422, "after", "`next` of the page before"),
        ("owners?x=1", 400, "x", "this address takes no parameters"),
        ("exposures?%1b[2J=1", 400, "\\x1b[2J", "there is no such parameter"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_to_write(
    page: PageProcess, path: str, status: int, name: str, said: str
) -> None:
    problem = get(page, path, status=status)
    assert [each["name"] for each in problem["invalid"]] == [name]
    assert said in problem["invalid"][0]["detail"]
    assert said in problem["detail"]
    assert problem["status"] == status


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("note", {}, 400, "text: it is not there; write a text of at most 4000 characters"),
        ("note", {"text": ""}, 400, "text: "),
        ("note", {"text": "x", "why": 1}, 400, "why: there is no such field; it takes text, aware_since"),
        ("note", [1], 400, "write text, aware_since"),
        ("accept", {"until": "soon", "reason": "x"}, 400, "write a text, such as 2026-12-31"),
        ("accept", {"until": "2026-02-30", "reason": "x"}, 422, "2026-02-30 is no day"),
        ("accept", {"until": "0043-06-29", "reason": "x"}, 422, "is over already"),
        ("accept", {"until": "9999-01-01", "reason": "x"}, 422, "over a year ahead"),
        ("withdraw", {}, 409, "not accepted"),
    ],
)
def test_a_wrong_body_is_refused_with_what_to_write(
    page: PageProcess, path: str, body: Any, status: int, said: str
) -> None:
    one = get(page, "exposures?state=open&limit=1&descending=true")["exposures"][0]["exposure_id"]
    answer = send(page, f"exposures/{one}/{path}", body)
    assert answer.status == status, answer.text
    assert said in answer.json["detail"]


def test_what_is_not_there_or_not_json_is_a_problem_too(page: PageProcess) -> None:
    assert "lists them" in get(page, "exposures/mx_000000000000", status=404)["detail"]
    assert "lists them" in get(page, "runs/..%2f..%2fetc", status=404)["detail"]
    assert "/api/v1/openapi.json" in get(page, "nothing", status=404)["detail"]
    token = {"Authorization": f"Bearer {page.token(Role.OPERATE)}"}
    deleted = page.request("DELETE", "/api/v1/exposures", headers=token)
    assert (deleted.status, deleted.headers["Allow"]) == (405, "GET,HEAD")
    assert deleted.headers["Content-Type"] == "application/problem+json"
    one = get(page, "exposures?limit=1")["exposures"][0]["exposure_id"]
    path = f"/api/v1/exposures/{one}/note"
    for body, said in ((b"{", "ends too early, after byte 1;"), (b'{"text" 1}', "(byte 8);")):
        answer = page.request("POST", path, body, headers={**token, "Content-Type": "application/json"})
        assert said in answer.json["detail"]
        assert "write one object with text, aware_since" in answer.json["detail"]
    for body, kind, status in (
        (b"text=x", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        (b"\xff", "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b"{" + b" " * 65536 + b"}", "application/json", 413),
    ):
        answer = page.request("POST", path, body, headers={**token, "Content-Type": kind})
        assert answer.status == status, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json["status"] == status
    nobody = page.get("/api/v1/exposures", headers={"Authorization": "Bearer nobody"})
    assert (nobody.status, nobody.headers["Content-Type"]) == (401, "application/problem+json")


def test_deadlines_that_are_changed_hold_from_the_next_answer_on(page: PageProcess) -> None:
    config = page.output.with_name("mongosweep.toml")
    before = get(page, "exposures?overdue=true")["total"]
    try:
        config.write_text(CONFIGURATION + '\n[deadlines]\ncritical = "1000w"\nhigh = "1000w"\n')
        page.process.send_signal(signal.SIGHUP)
        wait_until(lambda: get(page, "exposures?overdue=true")["total"] < before, "the new deadlines")
        assert get(page, "exposures?overdue=true&severity=high")["total"] == 0
    finally:
        config.write_text(CONFIGURATION)
    page.process.send_signal(signal.SIGHUP)
    wait_until(lambda: get(page, "exposures?overdue=true")["total"] == before, "the old deadlines")


# --- against its own document -----------------------------------------------------------------------------


def schemathesis(page: PageProcess, folder: Path, *options: str) -> str:
    """What schemathesis says of the API, by the document that it gives."""
    (folder / "schemathesis.toml").write_text(SCHEMATHESIS)
    program = Path(sys.executable).with_name("schemathesis")
    token = f"Authorization: Bearer {page.token(Role.OPERATE)}"
    found = subprocess.run(
        [program, "--config-file", "schemathesis.toml", "run", f"{page.url}/api/v1/openapi.json",
         "--exclude-path", "/readyz",  # no service runs here
         "-H", token, "--seed", "1", "--generation-database", "none", *options],
        cwd=folder, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip
    assert found.returncode == 0, found.stdout[-6000:] + found.stderr[-2000:]
    return found.stdout


def test_requests_made_up_from_the_document_are_answered_as_it_says(
    page: PageProcess, tmp_path: Path
) -> None:
    said = schemathesis(page, tmp_path, "--phases", "examples")
    assert "Failures" not in said


@pytest.mark.exhaustive
def test_many_more_of_them(page: PageProcess, tmp_path: Path) -> None:
    schemathesis(page, tmp_path, "--phases", "coverage,fuzzing,stateful", "--max-examples", "8")
