"""Our own strict fake of Elasticsearch's `_bulk` into a data stream, made from its documentation.

    python -m tests.support.receivers.bulk --port 9200 --into taken.jsonl

A fault `item 429 @0,2` gives these items that status, and takes the others.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
from typing import TYPE_CHECKING, Any

from aiohttp import web

from tests.support.receivers.serving import Receiver, run

if TYPE_CHECKING:
    from pathlib import Path

API_KEY = "VnVhQ2ZHY0JDZGJrU1c6dWkybHAyYXhUTm1zeWFrdw=="
LOGIN = ("writer", "pässword")
INDEX = "logs-mongosweep.events-default"

ERRORS = {
    400: ("document_parsing_exception", "[1:7] failed to parse field [a] of type [long]"),
    403: ("security_exception", "action [indices:data/write/bulk[s]] is unauthorized"),
    404: ("index_not_found_exception", "no such index"),
    409: ("version_conflict_engine_exception", "[1]: version conflict, document already exists"),
    413: ("content_too_long_exception", "entity content is too long"),
    429: ("es_rejected_execution_exception", "rejected execution of coordinating operation"),
    503: ("unavailable_shards_exception", "primary shard is not active"),
}


class BulkReceiver(Receiver):
    """One data stream. `blocked`: it is read-only, as a full disk makes it."""

    endpoint = ""

    def __init__(self, into: Path | None = None) -> None:
        super().__init__(into)
        self.ids: set[str] = set()
        self.blocked = False
        self.most_bytes = 100 * 1024 * 1024
        self.long_answers = False
        self._items: dict[int, int] = {}

    async def answer(self, at: str, request: web.Request, body: bytes) -> web.Response:
        """As documented, item by item."""
        if not self._known(request.headers.get("Authorization", "")):
            return self._error(401, "security_exception", "unable to authenticate")
        if not re.fullmatch(rf"(/{re.escape(INDEX)})?/_bulk", request.path) or request.method != "POST":
            return self._error(405, "illegal_argument_exception", "Incorrect HTTP method for uri")
        if request.headers.get("Content-Type") not in ("application/x-ndjson", "application/json"):
            return self._error(406, "media_type_header_exception", "Content-Type is not supported")
        if len(body) > self.most_bytes:
            return web.Response(status=413)
        if not body.endswith(b"\n"):
            return self._error(
                400, "illegal_argument_exception", r"The bulk request must be terminated by a newline [\n]"
            )
        lines = body.split(b"\n")[:-1]
        try:
            pairs = [(json.loads(lines[at]), lines[at + 1]) for at in range(0, len(lines), 2)]
        except (ValueError, IndexError):
            return self._error(400, "illegal_argument_exception", "Malformed action/metadata line")
        named = request.path.startswith(f"/{INDEX}")
        items = [self._item(number, named, *pair) for number, pair in enumerate(pairs)]
        self._items = {}
        told = {"took": 3, "errors": any("error" in item["create"] for item in items), "items": items}
        if "filter_path" in request.query and not self.long_answers:
            told = {"errors": told["errors"], "items": [_filtered(item) for item in items]}
        return web.json_response(told)

    def which(self, request: web.Request) -> str:
        """All is one endpoint; a fault of items is prepared here."""
        faults = self._faults["events"]
        if faults and (told := re.fullmatch(r"item (\d+) @([\d,]+)", faults[0])):
            faults[0] = "ok"
            self._items = {int(each): int(told[1]) for each in told[2].split(",")}
        return "events"

    def documented(self, fault: str, body: bytes) -> web.Response | None:
        """`error STATUS`: the whole is answered with this."""
        if told := re.fullmatch(r"error (\d+)", fault):
            return self._error(int(told[1]), *ERRORS[int(told[1])])
        return None

    def _known(self, given: str) -> bool:
        basic = "Basic " + base64.b64encode(":".join(LOGIN).encode()).decode()
        return given in (f"ApiKey {API_KEY}", basic)

    def _item(self, number: int, named: bool, action: dict[str, Any], document: bytes) -> dict[str, Any]:
        verb, about = next(iter(action.items()))
        status = self._items.get(number)
        if verb != "create" or not (named or about.get("_index") == INDEX):
            return {verb: self._failed(about, 400, "illegal_argument_exception", "only op_type of create")}
        if self.blocked:
            reason = "index [x] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];"
            return {verb: self._failed(about, 403, "cluster_block_exception", reason)}
        if status is None and about["_id"] in self.ids:
            status = 409
        if status is not None:
            return {verb: self._failed(about, status, *ERRORS[status])}
        try:
            fields = json.loads(document)
            if not isinstance(fields["@timestamp"], str):
                raise TypeError
        except (ValueError, KeyError, TypeError):
            return {verb: self._failed(about, 400, *ERRORS[400])}
        self.ids.add(about["_id"])
        self.keep([document])
        made = {"_version": 1, "result": "created", "_seq_no": self.count, "_primary_term": 1, "status": 201}
        shards = {"total": 2, "successful": 1, "failed": 0}
        return {verb: {"_index": INDEX, "_id": about["_id"], "_shards": shards, **made}}

    def _failed(self, about: dict[str, Any], status: int, kind: str, reason: str) -> dict[str, Any]:
        if self.long_answers:
            reason += "x" * 20_000
        return {
            "_index": INDEX,
            "_id": about.get("_id"),
            "status": status,
            "error": {"type": kind, "reason": reason},
        }

    def _error(self, status: int, kind: str, reason: str) -> web.Response:
        error = {"root_cause": [{"type": kind, "reason": reason}], "type": kind, "reason": reason}
        return web.json_response({"error": error, "status": status}, status=status)


def _filtered(item: dict[str, Any]) -> dict[str, Any]:
    ((verb, told),) = item.items()
    kept = {name: told[name] for name in ("status", "error") if name in told}
    return {verb: kept}


def main() -> None:
    """Be one, in a process of its own."""
    run(lambda given: BulkReceiver(given.into), argparse.ArgumentParser(description=__doc__))


if __name__ == "__main__":
    main()
