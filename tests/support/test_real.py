"""The real servers hold the data that the tests believe in, in each state that a product offers."""

from __future__ import annotations

from typing import Any

import pymongo.errors
import pytest

from tests.support import real, seed
from tests.support.real import State


def test_holds_what_it_was_given(real_server: real.RealServer) -> None:
    """Counts and newest times read by PyMongo are those that were written."""
    if real_server.kind.state is State.LOCALHOST_EXCEPTION:
        pytest.skip("nothing can be read there without a user")
    truth = real_server.truth()
    if real_server.kind.state is State.EMPTY:
        assert not set(truth.databases) & {name for name, _ in seed.DOCUMENTS}
        return
    given = seed.contents(real_server.kind.product)
    assert {where: truth.documents.get(where) for where in given} == given
    for where in given:
        assert truth.newest.get(where) == seed.newest_of(where)


@pytest.mark.parametrize(
    "real_server", real.kinds(State.AUTH, State.CLIENT_CERTIFICATE), indirect=True, ids=str
)
def test_is_locked(real_server: real.RealServer) -> None:
    """Without a password nothing is listed; without a certificate nothing is said."""
    lenient: dict[str, Any] = {"tls": True, "tlsAllowInvalidCertificates": True} if real_server.tls else {}
    with (
        pymongo.MongoClient[dict[str, Any]](
            real_server.host,
            real_server.port,
            directConnection=True,
            serverSelectionTimeoutMS=1500,
            **lenient,
        ) as client,
        pytest.raises(pymongo.errors.PyMongoError) as refusal,
    ):
        client.list_database_names()
    if real_server.kind.state is State.AUTH:
        assert isinstance(refusal.value, pymongo.errors.OperationFailure)
        assert refusal.value.code == 13
