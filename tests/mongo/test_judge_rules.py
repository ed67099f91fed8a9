"""The rules for conversations without any MongoDB reply, and what single replies say."""

from __future__ import annotations

from typing import Any

import pytest

from results.verdict import Verdict
from scanner.contact import Ending, TlsSession
from scanner.mongo.answers import (
    ErrorKind,
    databases,
    describe,
    error_code,
    error_kind,
    outcome,
    wire_version,
)
from scanner.mongo.facts import Attempt, Facts, Layer, Reply
from scanner.mongo.judge import RULES, judge

Doc = dict[str, Any]
UNKNOWN, NOT_MONGODB = Verdict.UNKNOWN, Verdict.NOT_MONGODB


def said(document: Doc | None, command: str = "listDatabases", by: str = "OP_MSG", error: str = "") -> Reply:
    return Reply(command=command, document=document, by=by, error=error)


def alone(*attempts: Attempt) -> Facts:
    made = Facts()
    made.attempts = list(attempts)
    return made


def plain(
    data: bytes = b"", ending: Ending | None = Ending.CLOSED, error: str = "", speaks: str = ""
) -> Attempt:
    return Attempt(
        layer=Layer.PLAIN,
        first_bytes=data[:64],
        bytes_received=len(data),
        ending=ending,
        protocol_error=error,
        speaks=speaks,
    )


def tls(
    ending: Ending = Ending.CLOSED,
    *,
    established: bool = True,
    requested: bool = True,
    alert: str = "",
    data: bytes = b"",
) -> Attempt:
    session = TlsSession(established=established, certificate_requested=requested, alert=alert)
    return Attempt(layer=Layer.TLS, ending=ending, tls=session, first_bytes=data, bytes_received=len(data))


CERT = Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED


@pytest.mark.parametrize(
    ("attempts", "verdict", "rule"),
    [
        ([], UNKNOWN, "not-asked"),
        ([plain()], UNKNOWN, "closed-without-reply"),
        (
            [plain(ending=Ending.RESET), tls(Ending.TLS_FAILED, established=False)],
            UNKNOWN,
            "closed-without-reply",
        ),
        ([plain(ending=Ending.TIMEOUT)], UNKNOWN, "silent"),
        ([plain(b"\xef\x00\x00\x00\x01")], UNKNOWN, "reply-cut-short"),
        (
            [plain(b"HTTP/1.0 200 OK\r\n", error="other protocol: HTTP", speaks="HTTP")],
            NOT_MONGODB,
            "other-protocol",
        ),
        ([plain(b"hello there")], NOT_MONGODB, "other-protocol"),
        ([plain(b"x" * 16, error="echo of the request: x")], NOT_MONGODB, "other-protocol"),
        ([plain(b"\x9b\x00\x00\x00\x01", error="echo of the request: x")], NOT_MONGODB, "echo"),
        ([plain(b"\x80\x00\x00\x00", error="not a MongoDB header: y")], NOT_MONGODB, "not-a-mongodb-header"),
        ([plain(b"\x80\x00\x00\x00", error="protocol: z")], UNKNOWN, "protocol-broken"),
        (
            [plain(b"\x15\x03\x01\x00\x02\x02\x46", error="TLS alert in the clear: a")],
            UNKNOWN,
            "protocol-broken",
        ),
        ([plain(), tls()], CERT, "client-certificate"),
        ([plain(), tls(Ending.RESET)], CERT, "client-certificate"),
        (
            [plain(), tls(Ending.TLS_FAILED, alert="TLSV13_ALERT_CERTIFICATE_REQUIRED")],
            CERT,
            "client-certificate",
        ),
        (
            [plain(), tls(Ending.TLS_FAILED, established=False, alert="sslv3 alert bad certificate")],
            CERT,
            "client-certificate",
        ),
        (
            [plain(), tls(Ending.TLS_FAILED, established=False, alert="WRONG_VERSION_NUMBER")],
            UNKNOWN,
            "closed-without-reply",
        ),
        ([plain(), tls(requested=False)], UNKNOWN, "closed-without-reply"),
        ([plain(), tls(Ending.TIMEOUT)], UNKNOWN, "silent"),
        ([plain(), tls(data=b"HTTP/1.1 400 Bad")], NOT_MONGODB, "other-protocol"),
    ],
)
def test_without_mongodb(attempts: list[Attempt], verdict: Verdict, rule: str) -> None:
    judgement = judge(alone(*attempts))
    assert (judgement.verdict, judgement.evidence[0].code) == (verdict, rule)


def test_other_protocol_inside_tls_says_so() -> None:
    assert judge(alone(plain(), tls(data=b"HTTP/1.1 400 Bad"))).evidence[0].detail == "HTTP, inside TLS"


def test_rule_names_are_unique_and_the_last_always_applies() -> None:
    names = [rule.name for rule in RULES]
    assert len(set(names)) == len(names)
    assert RULES[-1].applies(Facts())


# Answers.


def test_numbers_of_any_type_are_codes_and_nothing_else_is() -> None:
    assert [
        error_code({"code": c}) for c in (13, 13.0, True, "13", 13.5, float("inf"), float("nan"), None)
    ] == [
        13,
        13,
        *[None] * 6,
    ]


def test_wire_version_is_a_whole_number_or_absent() -> None:
    values = (21, 0, -1, 2**31 - 1, True, "6", 6.0, None)
    assert [wire_version({"w": v}, "w") for v in values] == [21, 0, None, 2**31 - 1, None, None, None, None]


def test_descriptions_are_short_and_say_what_came() -> None:
    assert describe(None) == "no reply"
    assert describe(said(None, error="timeout")) == "listDatabases: timeout"
    assert describe(said({"ok": 1.0})) == "listDatabases by OP_MSG: ok 1.0"
    assert describe(said({"ok": "x" * 5000})).startswith("listDatabases by OP_MSG: ok 'xxx")
    assert len(describe(said({"ok": 0, "errmsg": "y" * 900_000}))) < 600
    assert describe(said({"ok": 0, "errmsg": 5})) == "listDatabases by OP_MSG: an error without words"
    assert outcome({"ok": 1}).value == "success"
    assert error_kind(said({"ok": 1})) is None
    assert error_kind(None) is None
    assert error_kind(said({"$err": "not authorized for query on a.b", "code": 16550})) is ErrorKind.AUTH
    assert databases(None) is None
