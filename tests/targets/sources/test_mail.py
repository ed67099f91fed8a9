"""E-mails: which streams are some, what is attached, what is too much, and bytes of no mail."""

from __future__ import annotations

import base64
import gzip
import io
import tracemalloc
import zipfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.sources.mail import MAX_MESSAGE, MAX_UNPACKED, looks_like_mail
from tests.support.claimed import claimed, endpoints
from tests.support.lists import Counting, claims

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEAD = "From: Reports <reports@cert.example>\nTo: soc@example.com\nSubject: open MongoDB\nMIME-Version: 1.0\n"
ONE = [("10.1.2.3", 27017)]
LIST = b"ip,port\n10.1.2.3,27017\n"


def mail(*parts: str, kind: str = "mixed", head: str = HEAD) -> bytes:
    """A message of several parts."""
    boundary = "=_of_the_test"
    inside = "".join(f"--{boundary}\n{part}\n" for part in parts)
    return f'{head}Content-Type: multipart/{kind}; boundary="{boundary}"\n\n{inside}--{boundary}--\n'.encode()


def attached(data: bytes, name: str = "report.csv", kind: str = "application/octet-stream") -> str:
    """A part with a file."""
    encoded = base64.encodebytes(data).decode()
    return (
        f'Content-Type: {kind}\nContent-Disposition: attachment; filename="{name}"\n'
        f"Content-Transfer-Encoding: base64\n\n{encoded}"
    )


def archive(*files: tuple[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files:
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return raw.getvalue()


@pytest.mark.parametrize(
    ("start", "is_mail"),
    [
        (b"From: a@b.example\nTo: c@d.example\n\n", True),
        (b"Return-Path: <>\r\nReceived: from x\r\n\tby y\r\nSubject: z\r\n\r\n", True),
        (b"X-Spam: no\nX-ARF: YES\nFrom: a\nDate: b\n\n", True),
        (b"From reports@cert.example Tue Nov 24 10:00:00 2026\nFrom: a\nTo: b\n", True),
        (b"Subject: open\n\n10.1.2.3:27017\n", False),
        (b"IP: 10.1.2.3\nPort: 27017\n", False),
        (b"Host: 10.1.2.3 ()\tStatus: Up\n", False),
        (b"From here on\nTo: there\nDate: none\n", False),
        (b"ip,port\n10.1.2.3,27017\n", False),
        (b"10.1.2.3:27017\nFrom: a\nTo: b\n", False),
        (b"fd00::1:27017\n", False),
        (b"", False),
    ],
)
def test_what_is_a_mail(start: bytes, is_mail: bool) -> None:
    assert looks_like_mail(start) is is_mail


@pytest.mark.parametrize(
    "part",
    [
        attached(LIST),
        attached(LIST, kind="text/csv"),
        attached(LIST, name="=?utf-8?q?Bericht_f=C3=BCr_Sie=2Ecsv?="),
        attached(LIST.decode().encode("utf-16"), kind="text/plain", name="list.txt"),
        attached(archive(("2026/report.csv", LIST)), name="report.zip", kind="application/zip"),
        attached(gzip.compress(LIST, mtime=0), name="report.csv.gz"),
        attached(b'[{"ip_str": "10.1.2.3", "port": 27017}]', name="shodan.json"),
        attached(b"Affected IP;Port number\n10.1.2.3;27017\n"),
        attached(b"Dear team,\n\nIP: 10.1.2.3\nPort: 27017\n", name="report.txt", kind="text/plain"),
        attached(b"10.1.2.3:27017\n", name="list.txt", kind="text/plain"),
        attached(b"<p>10.1.2.3:27017</p>", name="report.html", kind="text/html"),
        attached(b"From: a@b.example\nTo: c\nSubject: d\n\n10.1.2.3:27017\n", name="original.eml"),
        "Content-Type: message/rfc822\n\nFrom: a@b.example\nTo: c\n\n10.1.2.3:27017\n",
    ],
)
def test_what_is_attached_is_read(part: str) -> None:
    told = claimed(mail("Content-Type: text/plain\n\nSee the attachment.\n", part), "in")
    assert endpoints(told) == ONE
    assert "warnings" not in told
    assert told["claims"][0]["labels"]["subject"] in ("open MongoDB", "d")


@pytest.mark.parametrize(
    ("part", "warning"),
    [
        (
            attached(b"%PDF-1.7 10.1.2.9:1", kind="application/pdf", name="a.pdf"),
            "in: (a.pdf) is no text (application/pdf)",
        ),
        (
            attached(b"\0\1\2" * 99),
            "in: (report.csv) is no text (application/octet-stream); save its table as CSV",
        ),
        (
            attached(archive(("a", LIST), ("b", LIST))),
            "in: (report.csv) is an archive of 2 files; unpack it and name",
        ),
        (attached(archive()), "in: (report.csv) is no text"),
        (attached(archive(("a", LIST))[:60]), "in: (report.csv) is a broken archive; ask for it once more"),
        (attached(archive(("a", LIST)).replace(b"\x14\0\0\0", b"\x14\0\1\0")), "in: (report.csv) is a"),
        (attached(gzip.compress(LIST, mtime=0)[:-9]), "in: (report.csv) is a broken archive"),
        (attached(archive(("a", archive(("b", LIST))))), "in: (report.csv) is no text"),
        (
            attached(archive(("a", b"0" * (MAX_UNPACKED + 1)))),
            "in: (report.csv) holds more than 16 MiB; unpack it",
        ),
        (
            attached(gzip.compress(b"0" * (MAX_UNPACKED + 1), mtime=0)),
            "in: (report.csv) holds more than 16 MiB; unpack it",
        ),
        (
            attached(b"x", kind="application/pkcs7-mime", name="smime.p7m"),
            "in: (smime.p7m) is encrypted or sealed; ",
        ),
        (attached(b"ip,port\n10.1.2.9,0x1\n"), "in: (report.csv):2: '0x1' is not a port"),
        (attached(b"\xff\xfe\x00\xd8"), "in: (report.csv):1: '\ufffd' "),
    ],
)
def test_what_cannot_be_read_is_told_and_costs_nothing(part: str, warning: str) -> None:
    told = claimed(mail(part, attached(LIST, name="good.csv")), "in")
    assert endpoints(told) == ONE
    assert told["warnings"][0].startswith(warning)
    assert all(text.isprintable() for text in told["warnings"])


def test_pictures_and_signatures_are_passed_over() -> None:
    silent = (
        ("image/png", "x.png"),
        ("application/pgp-signature", "signature.asc"),
        ("application/x-pkcs7-signature", "smime.p7s"),
    )
    told = claimed(mail(attached(LIST), *(attached(b"\0", name, kind) for kind, name in silent)), "in")
    assert endpoints(told) == ONE
    assert "warnings" not in told


def test_a_mail_that_names_nothing() -> None:
    told = claimed(f"{HEAD}\nDear team, your MongoDB is open!\n".encode(), "in")
    assert told["refusal"].startswith(
        "in: is an e-mail in which no address is an endpoint; write its addresses"
    )


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: archive(("a", data))])
def test_what_swells_is_not_unpacked_whole(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("targets.sources.mail.MAX_UNPACKED", 1000)
    raw = mail(attached(pack(bytes(64 * 1024 * 1024))), attached(LIST))
    tracemalloc.start()
    told = claimed(raw, "in")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert endpoints(told) == ONE
    assert peak < 8 * 1024 * 1024


def test_mails_in_mails_end() -> None:
    inner = f"{HEAD}\n10.1.2.3:27017\n".encode()
    for _ in range(9):
        inner = mail(attached(inner, name="m.eml"), attached(LIST))
    told = claimed(inner, "in")
    assert endpoints(told) == ONE * 4
    assert any("holds too many mails in mails" in text for text in told["warnings"])


@pytest.mark.parametrize("depth", [30, 3000])
def test_parts_in_parts_end(depth: int) -> None:
    head = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(depth))
    told = claimed(f"{HEAD}{head}\n10.1.2.3:27017\n".encode(), "in")
    assert endpoints(told) == (ONE if depth < 64 else [])
    assert depth < 64 or "holds too many mails in mails, or parts" in told["warnings"][0]


def test_a_message_without_end_is_refused_early() -> None:
    stream = Counting(HEAD.encode() + b"\n", b"10.1.2.3:27017 is open\n")
    from targets.errors import ScopeError
    from targets.sources.read import read_claims

    with pytest.raises(ScopeError, match="a message is larger than 16 MiB; save its attachment"):
        list(read_claims(stream, "in", lambda text: None))  # type: ignore[arg-type]  # it can be read
    assert stream.count < 2 * MAX_MESSAGE


def test_headers_that_are_broken() -> None:
    nasty = "Subject: =?utf-8?b?////?= =?x-unknown?q?=31?= \x1b[31m\nDate: Tue, 99 Foo 0000 99:99:99 +9999\n"
    raw = f"From: =?utf-8?q?=00?=\nMIME-Version: 1.0\n{nasty}Content-Type: text/plain; charset=x-none\n\n"
    told = claimed(raw.encode() + b"10.1.2.3:27017\n", "in")
    assert endpoints(told) == ONE
    assert all(text.isprintable() for text in told["claims"][0]["labels"].values())
    assert "sent" not in told["claims"][0]["labels"]


PIECES: Sequence[bytes] = (
    *(
        b"From: a\n",
        b"Subject: =?utf-8?q?10.1.2.3?=\n",
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"\n",
        b"--b\n",
    ),
    *(
        b"--b--\n",
        b"Content-Type: text/html\n",
        b"Content-Type: message/rfc822\n",
        b"Date: Tue, 24 Nov 2026\n",
    ),
    *(
        b"Content-Transfer-Encoding: base64\n",
        b"Content-Disposition: attachment; filename=a.csv\n",
        b"10.1.2.3:27017\n",
    ),
    *(
        b"Content-Type: text/plain; charset=utf-7; name*0*=x''%ff\n",
        b"From x Tue 2026\n",
        b"ip,port\n",
        b"UEsDBA==\n",
    ),
    *(
        b"Content-Transfer-Encoding: quoted-printable\n",
        b"Content-Transfer-Encoding: uuencode\n",
        b"begin 6 x\n",
        b"=3D",
    ),
)


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=25).map(b"".join))
def test_any_bytes_behind_headers_are_read_or_refused(raw: bytes) -> None:
    told = claimed(b"From: a\nTo: b\n" + raw, "in")
    assert all(claim["port"] is None or 1 <= claim["port"] <= 65535 for claim in told["claims"])


def test_a_list_on_standard_input_is_no_mail() -> None:
    assert claims("10.1.2.3:27017\n") == ONE


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("Content-Type: multipart/mixed; boundary=a\n\n" + "--a\n\n" * 3000, "holds too many"),
        ("Content-Disposition: attachment" + '; x="a;b"' * 20_000 + "\n\nx\n", "cannot be taken apart"),
        ("Content-Type: text/plain" + "; name*0=a" * 9000 + "\n\nx\n", "cannot be taken apart"),
    ],
    ids=["parts", "parameters", "pieces"],
)  # fmt: skip
def test_what_the_parser_would_take_minutes_for_is_not_given_to_it(more: str, told: str) -> None:
    mbox = f"From x Mon Nov 29 20:00:00 2026\n{HEAD}{more}\nFrom x Mon Nov 29 20:00:00 2026\n".encode()
    found = claimed(mbox + mail(attached(LIST)), "in")
    assert endpoints(found) == ONE
    assert told in found["warnings"][0]


def test_archives_of_a_message_share_their_room() -> None:
    large = archive(("a.csv", LIST + (b"#" * 999 + b"\n") * (MAX_UNPACKED // 1000 - 1)))
    found = claimed(mail(*[attached(large, name=f"{n}.zip") for n in range(3)]), "in")
    assert [text.partition(";")[0] for text in found["warnings"]] == [
        "in: (2.zip) holds more than its message may",
    ]
