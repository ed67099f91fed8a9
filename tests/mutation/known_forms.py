"""Deliberate errors in reading replies whose form is known."""

from __future__ import annotations

from typing import Final

from tests.mutation.mutant import Mutant

KNOWN_FORMS: Final = (
    Mutant(
        "a length in a known shape is not compared",
        "reply_shapes",
        "        self.documents.add(path)\n        self._same(4)\n",
        "        self.documents.add(path)\n        self._add(bytes(4))\n",
    ),
    Mutant(
        "any byte is a truth value of a known shape",
        "reply_shapes",
        '_BOOL: b"\\xfe"',
        '_BOOL: b"\\0"',
    ),
    Mutant(
        "a known shape says ok, whatever it says",
        "reply_shapes",
        '_OF_SHAPE: Final = (("ok",), ("cursor", "id"))',
        '_OF_SHAPE: Final = (("no",), ("cursor", "id"))',
    ),
    Mutant(
        "a batch that is all and one that is not are one shape",
        "reply_shapes",
        '_OF_SHAPE: Final = (("ok",), ("cursor", "id"))',
        '_OF_SHAPE: Final = (("ok",), ("cursor", "no"))',
    ),
    Mutant(
        "a batch that is not all makes a shape",
        "reply_shapes",
        "(path == _MORE and (kind not in _NUMBERS or any(value)))",
        "(path == _MORE and kind not in _NUMBERS)",
    ),
    Mutant(
        "a date makes a shape where a number is wanted",
        "reply_shapes",
        "(not wanted or kind in _NO_NUMBERS.get(path, _NUMBERS))",
        "(not wanted or kind in (*_NO_NUMBERS.get(path, _NUMBERS), _DATE))",
    ),
    Mutant(
        "a shape may have a key twice",
        "reply_shapes",
        'if self._left < 0 or key in seen or key == b"$ref":',
        'if self._left < 0 or key == b"$ref":',
    ),
    Mutant(
        "an answer with what nobody asked for makes a shape",
        "reply_shapes",
        "lookalikes.invented(documents(batch)):",
        "lookalikes.invented(documents(batch)) and False:",
    ),
    Mutant("shapes are kept without end", "reply_shapes", "            del alike[ALIKE:]\n", ""),
    Mutant(
        "lengths of replies are kept without end",
        "reply_shapes",
        "                del self._known[next(iter(self._known))]\n",
        "                pass\n",
    ),
    Mutant(
        "a list of names need not be as long as it says",
        "name_lists",
        'None, b""))\n    return names if b"".join(pieces) == data[first:last] else None',
        'None, b""))\n    return names if b"".join(pieces) else []',
    ),
    Mutant(
        "a list of names and UUIDs need not be as long as it says",
        "name_lists",
        'False, uuid))\n    return names if b"".join(pieces) == data[first:last] else None',
        'False, uuid))\n    return names if b"".join(pieces) else []',
    ),
    Mutant(
        "behind a list of names may stand another one",
        "name_lists",
        'is Outcome.SUCCESS and "cursor" not in document',
        "is Outcome.SUCCESS",
    ),
    Mutant(
        "a list of names is one whatever stands behind it",
        "name_lists",
        "        or not _succeeded(data[cursor_end:end])\n",
        "",
    ),
)
