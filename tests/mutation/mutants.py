"""The deliberate errors: one change of text each."""

from __future__ import annotations

from typing import Final

from tests.mutation.known_forms import KNOWN_FORMS
from tests.mutation.mutant import Mutant as Mutant
from tests.mutation.of_the_past import OF_THE_PAST

MUTANTS: Final = (
    # Judge and answers.
    Mutant(
        "ok: 1 is enough to be open",
        "judge",
        "return bool(databases(facts.list_databases)) or",
        "return succeeded(facts.list_databases) or",
    ),
    Mutant(
        "an empty list is open",
        "judge",
        "return bool(databases(facts.list_databases)) or",
        "return databases(facts.list_databases) is not None or",
    ),
    Mutant("code 13 is ignored", "answers", "    13: ErrorKind.AUTH,\n", ""),
    Mutant("13435 is read as locked", "answers", "13435: ErrorKind.GATE_PASSED", "13435: ErrorKind.AUTH"),
    Mutant("13436 is read as open", "answers", "13436: ErrorKind.NO_DATA", "13436: ErrorKind.GATE_PASSED"),
    Mutant(
        "OP_QUERY answer 352 is read as clean",
        "answers",
        "352: ErrorKind.QUERY_REFUSED",
        "352: ErrorKind.AUTH",
    ),
    Mutant("8000 of Atlas is ignored", "answers", "    ATLAS_ERROR: ErrorKind.AUTH,\n", ""),
    Mutant(
        "code 13 is believed whatever its text",
        "answers",
        "for words, kind in _TRAPS:",
        "for words, kind in ():",
    ),
    Mutant(
        "a text outweighs a code", "answers", "if code is not None:\n", "if code is not None and not text:\n"
    ),
    Mutant(
        "ok as text is a success",
        "answers",
        "if isinstance(ok, bool | int | float):\n        if ok == 1:",
        'if isinstance(ok, bool | int | float | str):\n        if ok in (1, "1"):',
    ),
    Mutant("$err is no failure", "answers", 'if "$err" in document:', 'if "$err" in ():'),
    Mutant(
        "a list of nameless entries is a list",
        "answers",
        'if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):',
        "if not isinstance(entry, dict):",
    ),
    Mutant(
        "an error that carries a list is just an error",
        "judge",
        'outcome_of(reply) is not Outcome.SUCCESS and "databases" in document',
        "outcome_of(reply) is None",
    ),
    Mutant(
        "a refused confirmation is no sign",
        "judge",
        "return _refusal(facts) is not None and (",
        "return False and (",
    ),
    Mutant(
        "a member without data is open",
        "judge",
        'document.get("arbiterOnly") is True or',
        'document.get("arbiterOnly") == 2 or',
    ),
    Mutant(
        "loopback proves as much as any context",
        "judge",
        "return facts.loopback and unanswered and",
        "return False and unanswered and",
    ),
    Mutant(
        "a request for a certificate is a demand for one",
        "judge",
        "return session.established or any(",
        "return True or any(",
    ),
    # Wire.
    Mutant(
        "responseTo is not compared",
        "wire",
        "            if expected.request_id == response_to:\n                if opcode",
        "            if True:\n                if opcode",
    ),
    Mutant(
        "the length cap is off by one, too low",
        "wire",
        "if length > expected.cap:",
        "if length >= expected.cap:",
    ),
    Mutant(
        "the length cap is off by one, too high",
        "wire",
        "if length > expected.cap:",
        "if length > expected.cap + 1:",
    ),
    Mutant(
        "moreToCome is accepted", "wire", "_REQUIRED_FLAGS: Final = 0xFFFF", "_REQUIRED_FLAGS: Final = 0xFFFD"
    ),
    Mutant(
        "a section of kind 1 is accepted",
        "wire",
        "    if message[20] != 0:",
        "    if message[20] not in (0, 1):",
    ),
    Mutant(
        "QueryFailure is ignored",
        "wire",
        "failure = bool(flags & _QUERY_FAILURE)",
        "failure = bool(flags & 0)",
    ),
    Mutant("CursorNotFound is ignored", "wire", "    if flags & _CURSOR_NOT_FOUND:\n", "    if flags & 0:\n"),
    Mutant("compression is read as a reply", "wire", "if opcode == OP_COMPRESSED:", "if opcode == -1:"),
    Mutant(
        "a reply by the other opcode is taken",
        "wire",
        "if opcode not in _answers(expected):",
        "if opcode == -1:",
    ),
    Mutant(
        "a long reply proves a list by its length",
        "wire",
        "_ONE_NAME <= array < document and element == _LIST_ELEMENT",
        "_ONE_NAME <= array < document",
    ),
    Mutant("an empty list over the cap is open", "wire", "_ONE_NAME <= array", "5 <= array"),
    Mutant("our own echo is a reply", "wire", "if head == self._sent_header:", 'if head == b"":'),
    # BSON.
    Mutant(
        "the nesting limit is gone",
        "bson_check",
        "or data[inner] != 0 or len(ends) >= MAX_DEPTH:",
        "or data[inner] != 0:",
    ),
    Mutant(
        "the limit of elements is gone", "bson_check", "    for _ in steps:", "    for _ in repeat(None):"
    ),
    Mutant("a doubled key is taken", "bson_check", "if top != len(document) and", "if top < 0 and"),
    Mutant(
        "a string needs no terminator",
        "bson_check",
        "length < 1 or at > limit or data[at - 1] != 0:\n                raise",
        "length < 1 or at > limit:\n                raise",
    ),
    Mutant(
        "a binary may have a negative length",
        "bson_check",
        "if length < 0 or at > limit:",
        "if at > limit:",
    ),
    Mutant(
        "JavaScript passes for text",
        "bson_check",
        "value: object) -> None:\n        return None",
        "value: object) -> None:\n        return value",
    ),
    Mutant("an unknown type is skipped", "bson_check", "    if kind != 0x0F:\n", "    if kind > 0xFFF:\n"),
    # Commands.
    Mutant(
        "the newest id is asked of system collections",
        "command_bodies",
        'if database in _SYSTEM_DATABASES or name.startswith("system."):',
        'if database in ("admin",):',
    ),
    Mutant(
        "a name with a NUL is sent",
        "names",
        'if "\\x00" in name or "\\ufffd" in name',
        'if "\\ufffd" in name',
    ),
    Mutant(
        "a request may be of any size",
        "commands",
        "if len(message) > MAX_REQUEST_BYTES:",
        "if len(message) < 0:",
    ),
    Mutant(
        "the newest id comes with its document",
        "command_bodies",
        '        "projection": {"_id": 1},\n',
        "",
    ),
    Mutant(
        "every command runs as long as it likes", "commands", 'body["maxTimeMS"] = rule.time_limit', "pass"
    ),
    Mutant(
        "listDatabases is asked on any database",
        "commands",
        'and request.database != "admin"',
        "and not request.database",
    ),
    Mutant(
        "a template's request names another database",
        "request_templates",
        "_LENGTH(size + 1) for size in range(256)",
        "_LENGTH(size) for size in range(256)",
    ),
    Mutant(
        "a database that is said to be empty is one like others",
        "sizes_by_kind",
        'if told and size and entry["empty"] is False and',
        "if told and size and",
    ),
    Mutant(
        "a part of the replies is believed to be all",
        "sizes_by_kind",
        "return self._told if not reader.owes and not reader.buffered else None",
        "return self._told if not reader.buffered else None",
    ),
    Mutant(
        "a database that is not in the list has the counts of another one",
        "sizes_by_kind",
        "        if len(found) < len(entries):\n            return None\n",
        "",
    ),
    *KNOWN_FORMS,
    *OF_THE_PAST,
    # Dialogue.
    Mutant(
        "a host may send without end",
        "dialogue",
        "if self.bytes_received > self._state.limits.host_bytes:",
        "if self.bytes_received < 0:",
    ),
    Mutant(
        "connections are opened without end",
        "dialogue",
        "if len(self.facts.attempts) < state.limits.connections:",
        "if len(self.facts.attempts) < 1000:",
    ),
    Mutant(
        "an old server is waited for",
        "dialogue",
        "                self._channel.forget(Opcode.OP_MSG)\n",
        "                pass\n",
    ),
    Mutant(
        "a refused name ends the plan",
        "channel",
        "            except RefusedRequest as refusal:",
        "            except MemoryError as refusal:",
    ),
    Mutant(
        "352 is not asked again by OP_MSG",
        "questions",
        "lambda s: _list_kind(s) is ErrorKind.QUERY_REFUSED,",
        "lambda s: False,",
    ),
    Mutant(
        "an empty list is not questioned",
        "questions",
        "return databases(state.facts.list_databases) == []",
        "return False",
    ),
    Mutant(
        "TLS is never tried",
        "questions",
        "return lost.flaw is Flaw.TLS_ALERT or (",
        "return lost.flaw is None and (",
    ),
    # Metadata.
    Mutant(
        "a view is measured",
        "agenda",
        'if collection.type == "view" or collection.system:',
        "if collection.system:",
    ),
    Mutant(
        "a view is asked for its newest id",
        "metadata",
        'if collection.type != "collection":\n            return\n        dated',
        "dated",
    ),
    Mutant(
        "a size that is NaN is kept",
        "values",
        "not math.isfinite(value):\n        return None\n    whole",
        "not math.isfinite(value):\n        return 0\n    whole",
    ),
    Mutant(
        "a negative size is kept", "values", "whole if 0 <= whole <= LARGEST", "whole if whole <= LARGEST"
    ),
    Mutant(
        "a truth value is a size",
        "values",
        "    if value is None or isinstance(value, bool) or not",
        "    if value is None or not",
    ),
    Mutant(
        "a cursor is read for ever",
        "command_forms",
        "if rounds >= self._limits.cursor_rounds:",
        "if rounds < 0:",
    ),
    Mutant(
        "a cursor of other data is read",
        "command_forms",
        '!= f"{database}.{CURSOR_COLLECTION}":',
        "== object():",
    ),
    Mutant("every collection is measured", "agenda", "islice(_in_turn(columns), asked)", "_in_turn(columns)"),
    Mutant(
        "a slow server is asked on",
        "agenda",
        "if self._slow[kind] >= SLOW_IN_A_ROW:",
        "if self._slow[kind] < 0:",
    ),
    Mutant("every newest id is asked for", "agenda", "if len(chosen) >= asked:", "if len(chosen) < 0:"),
    Mutant(
        "newest ids that are not asked for are not told",
        "agenda",
        "self.leave_out(TaskKind.NEWEST, len(self._dated) - len(chosen))",
        "pass",
    ),
    Mutant("the single byte of MMAPv1 is a size", "inventory", "0 if nothing else size", "size"),
    Mutant(
        "a collection without an _id index is sorted",
        "metadata",
        "if dated and collection.id_index is False:",
        "if dated and collection.id_index == 2:",
    ),
    Mutant(
        "an empty list of collections proves an empty database",
        "inventory",
        "if not self.names_known or self.collections or self.told_empty:",
        "if True:",
    ),
    Mutant(
        "a size of zero is believed beside data",
        "inventory",
        "0 if 0 in (self.listed_size, self.stats_size) and documents == 0 else None",
        "0",
    ),
    Mutant(
        "ok without a list of names is a list",
        "metadata",
        "if batch is None:\n            state",
        "if 0:\n            state",
    ),
    Mutant(
        "random ids are a date",
        "ids",
        "kind is TaskKind.BEYOND or at < FIRST_RELEASE",
        "kind is TaskKind.BEYOND",
    ),
    Mutant(
        "zeros and empty batches prove an open server",
        "judge",
        "return found if names or objects or collections or len(found) > 1 else []",
        "return found",
    ),
    Mutant("an error without sense is built on", "answers", "0 < number < 2**31", "True"),
    Mutant("a refusal inside is forgotten", "access", "if answered and refused:", "if not answered:"),
    Mutant("a name alone is a likely note", "ransom", '"likely" if few or small else "possible"', '"likely"'),
    Mutant(
        "any collection makes a note",
        "ransom",
        '"likely" if few and called else "possible"',
        '"likely" if few else "possible"',
    ),
    Mutant(
        "what was not told is an empty server",
        "severity",
        "database.empty or database.documents == 0):",
        "database.empty or not database.documents):",
    ),
    Mutant(
        "an idle set is in use",
        "severity",
        "    if write.method not in _DATED:",
        "    if not write.method:",
    ),
    Mutant(
        "a note may be less than critical",
        "severity",
        "ransom.names[0], weights.critical)",
        "ransom.names[0], 0)",
    ),
    Mutant("a trap's opcode is no sign", "lookalikes", "if signs.out_of_kind:", "if False:"),
    Mutant("an id of the future is believed", "activity", 'return "future"', 'return ""'),
    Mutant("an id made by hand is believed", "activity", 'return "implausible"', 'return ""'),
    Mutant(
        "the server's clock is always believed",
        "activity",
        "Clock(local if abs(skew) <= TRUSTED_SKEW else ours,",
        "Clock(local if skew is not None else ours,",
    ),
)
