"""Texts in several languages, held against the English ones: what must be the same, and what must not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from results.notify.texts import texts

if TYPE_CHECKING:
    from pathlib import Path

# What is typed as it stands, or stands for something: commands, settings, addresses, names in capitals.
_KEPT = re.compile(r"`[^`]+`|\b[A-Z]{4,}(?:_[A-Z]+)*\b|\b\d+(?:\.\d+)+(?:/\d+)?(?::\d+)?|/etc/\S+\.conf")
_LAW = {"GDPR", "RGPD", "DSGVO"}  # one law, by its name in each language
_PLACE = re.compile(r"\{(\w+)\}")
# Words that are the same in two languages, and what is no word.
_SAME = {
    *("words.thousands", "words.decimal", "words.byte", "words.singular", "words.internet"),
    *("fact.holds", "fact.holds_unnamed", "fact.reason", "reply.signature", "row.not-ours"),
    *("words.minutes", "words.minute", "words.documents", "words.document"),
}


def problems(language: str, folder: Path) -> list[str]:
    """What a language's file lacks, or has and English has not, or says in English; a line each."""
    english, table = texts("en", folder).table, texts(language, folder).table
    found = [f"{section}: only in one" for section in english.keys() ^ table.keys()]
    for section, rows in english.items():
        here = table.get(section, {})
        found += [f"{section}.{name}: only in one" for name in rows.keys() ^ here.keys()]
        for name in rows.keys() & here.keys():
            found += _differences(f"{section}.{name}", rows[name], here[name], same=language == "en")
    return found


def _differences(key: str, english: str, text: str, *, same: bool) -> list[str]:
    found = []
    if sorted(set(_PLACE.findall(text))) != sorted(set(_PLACE.findall(english))):
        found.append(f"{key}: other places")
    if other := (set(_KEPT.findall(text)) ^ set(_KEPT.findall(english))) - _LAW:
        found.append(f"{key}: {other} only in one")
    if text == english and not same and key not in _SAME:
        found.append(f"{key}: it is English")
    if not key.startswith("words.") and (text != text.strip() or _end(text) != _end(english)):
        found.append(f"{key}: it ends or is spaced in another way")
    return found


def _end(text: str) -> str:
    """The sign at the end, and whether words stand apart by more than a space."""
    return text[-1:] * (text[-1:] in ".:") + "  " * ("  " in text)
