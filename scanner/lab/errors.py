"""The wording of refusals, release by release, as real servers give it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bson import ObjectId

if TYPE_CHECKING:
    from scanner.lab.versions import Release
    from scanner.lab.wire import Document

NAMES = {
    2: "BadValue",
    13: "Unauthorized",
    18: "AuthenticationFailed",
    20: "IllegalOperation",
    26: "NamespaceNotFound",
    43: "CursorNotFound",
    59: "CommandNotFound",
    76: "NoReplicationEnabled",
    166: "CommandNotSupportedOnView",
    183: "ClientMetadataMissingField",
    186: "ClientMetadataCannotBeMutated",
    352: "UnsupportedOpQueryCommand",
}
_LEGACY_HELP = (
    " The client driver may require an upgrade. "
    "For more details see https://dochub.mongodb.org/core/legacy-opcode-removal"
)


def error(version: Release, code: int, text: str, name: str | None = None) -> Document:
    """A command error: `ok`, `errmsg`, and `code` (2.6 and later) and `codeName` (3.4 and later)."""
    document: Document = {"ok": 0.0, "errmsg": text}
    if version.codes:
        document["code"] = code
    if version.code_names:
        document["codeName"] = name or NAMES.get(code, f"Location{code}")
    return document


def exception(version: Release, code: int, text: str) -> Document:
    """An error that was thrown while the command ran: 2.x says so, and names `ok` last."""
    if version.at_least(3, 0):
        return error(version, code, text)
    return {"errmsg": f"exception: {text}", "code": code, "ok": 0.0}


def query_failure(code: int, text: str, *, ok: bool = True) -> Document:
    """The document of a failed legacy read, sent with the QueryFailure flag."""
    document: Document = {"$err": text, "code": code}
    return {**document, "ok": 0.0} if ok else document


def no_such_command(version: Release, name: str, document: Document, *, router: bool) -> Document:
    """`no such command`, in the words of the release."""
    if not version.codes:
        return {"errmsg": f"no such cmd: {name}", "bad cmd": document, "ok": 0.0}
    if not version.at_least(3, 0):
        return {**error(version, 59, f"no such cmd: {name}"), "bad cmd": document}
    return error(version, 59, f"no such cmd: {name}" if router else f"no such command: '{name}'")


def unsupported_query(version: Release, name: str) -> Document:
    """5.1 and later to a command by OP_QUERY; the help was added in 6.1."""
    text = f"Unsupported OP_QUERY command: {name}."
    return error(version, 352, text + _LEGACY_HELP if version.at_least(6, 1) else text[:-1])


def unsupported_read(opcode_name: str) -> Document:
    """5.1 and later to a legacy read."""
    return query_failure(5739101, f"{opcode_name} is no longer supported.{_LEGACY_HELP}")


def login_needed(version: Release, name: str, database: str, document: Document) -> Document:
    """What a locked server says to a command of somebody who is not logged in."""
    if not version.at_least(2, 3, 2):
        return {"errmsg": "need to login", "ok": 0.0}
    if not version.codes:
        return {"ok": 0.0, "errmsg": "unauthorized"}
    if not version.at_least(4, 0):
        return not_authorized(version, database, document)
    word = "Command" if version.at_least(7, 0) else "command"
    return error(version, 13, f"{word} {name} requires authentication")


def not_authorized(version: Release, database: str, document: Document) -> Document:
    """The words of a missing privilege, with the command as the shell would print it."""
    return error(version, 13, f"not authorized on {database} to execute command {shell_text(document)}")


def login_needed_to_read(version: Release, namespace: str) -> Document:
    """A locked server to a legacy read."""
    code = 13 if version.codes else 16550
    return query_failure(code, f"not authorized for query on {namespace}", ok=version.at_least(3, 0))


def not_primary(version: Release) -> Document:
    """A member that is not primary, asked without an opt-in for secondaries."""
    if not version.codes:
        return {"note": "from execCommand", "ok": 0.0, "errmsg": "not master"}
    later = version.at_least(4, 4)
    return error(
        version,
        13435,
        "not master and slaveOk=false",
        "NotPrimaryNoSecondaryOk" if later else "NotMasterNoSlaveOk",
    )


def not_readable(version: Release, *, recovering: bool) -> Document:
    """A member that has no readable data now: arbiter, recovering, not initiated."""
    if not version.at_least(3, 0):
        document: Document = {"note": "from execCommand", "ok": 0.0, "errmsg": "node is recovering"}
        return document
    text = "node is recovering" if recovering else "node is not in primary or recovering state"
    later = version.at_least(4, 4)
    return error(version, 13436, text, "NotPrimaryOrSecondary" if later else "NotMasterOrSecondary")


def shell_text(value: Any) -> str:
    """A value as the server prints it into its messages."""
    if value in ({}, []):
        return "{}" if value == {} else "[]"
    if isinstance(value, ObjectId):
        return f"ObjectId('{value}')"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key}: {shell_text(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[ " + ", ".join(shell_text(item) for item in value) + " ]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace('"', '\\"') + '"'
    return str(value)
