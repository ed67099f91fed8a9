"""Requests from templates are those that the encoder makes, byte for byte, and refused where those are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.mongo import commands
from scanner.mongo.commands import Command, Request, encode
from scanner.mongo.names import RefusedRequest
from scanner.mongo.request_templates import BEFORE, COLLECTION, DATABASE
from scanner.mongo.wire import Opcode

TEMPLATED = sorted(commands._KINDS)
NAMES = st.one_of(
    st.text(max_size=70),
    st.text(alphabet="ab.$/\\ \0é\ufffd\udcff_-", min_size=1, max_size=12),
    st.sampled_from(("admin", "system.users", "shop", DATABASE, COLLECTION, "mswk", "x" * 255, "é" * 120)),
)
TIMES = st.one_of(st.integers(-1, 2**32 + 1), st.sampled_from((1, BEFORE, 2**32 - 1)))


def made(encoder: object, request: Request, request_id: int, **options: bool) -> bytes | str:
    assert callable(encoder)
    try:
        message: bytes = encoder(request, request_id, Opcode.OP_MSG, **options)
    except RefusedRequest:
        return "refused"
    return message


@given(
    command=st.sampled_from(TEMPLATED),
    names=st.tuples(NAMES, NAMES),
    before=TIMES,
    request_id=st.integers(0, 2**31 - 1),
    batch_size=st.integers(-5, 2000),
    switches=st.tuples(*[st.booleans()] * 7),
)
def test_a_template_makes_what_the_encoder_makes(
    command: Command,
    names: tuple[str, str],
    before: int,
    request_id: int,
    batch_size: int,
    switches: tuple[bool, ...],
) -> None:
    authorized, storage, operations, beyond, name_only, time_limit, api_version = switches
    arguments = {
        "before": before,
        "batch_size": batch_size,
        "authorized": authorized,
        "name_only": name_only,
        "storage": storage,
        "operations": operations,
        "beyond": beyond,
    }
    request = Request(command, names[0], arguments, names[1])
    options = {"time_limit": time_limit, "api_version": api_version}
    assert made(encode, request, request_id, **options) == made(
        commands._in_full, request, request_id, **options
    )


@pytest.mark.parametrize("command", TEMPLATED)
def test_ordinary_requests_come_from_templates(command: Command) -> None:
    """So that the property above is not one of refusals."""
    arguments = {
        "before": 1_795_000_000,
        "batch_size": 200,
        "authorized": True,
        "name_only": False,
        "storage": True,
    }
    on_admin = commands._RULES[command].admin_only
    request = Request(command, "admin" if on_admin else "shop", arguments, "orders")
    before = commands._form.cache_info()
    assert encode(request, 7, Opcode.OP_MSG) == commands._in_full(request, 7, Opcode.OP_MSG)
    encode(Request(command, "admin" if on_admin else "crm", arguments, "leads"), 8, Opcode.OP_MSG)
    after = commands._form.cache_info()
    assert after.misses - before.misses <= 1
    assert after.hits > before.hits


def test_the_templates_are_bounded() -> None:
    for size in range(1, 400):
        encode(commands.list_collections("shop", batch_size=size), 1, Opcode.OP_MSG)
    assert commands._form.cache_info().currsize <= commands.FORMS_KEPT
