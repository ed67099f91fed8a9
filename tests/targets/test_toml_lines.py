"""The line of a key in a TOML text, whatever stands around it."""

from __future__ import annotations

import tomllib

import pytest

from targets.toml_lines import TomlLines, syntax_error

TEXT = '''\
# comment [not.a.table]
title = "x # [no]"
many = [
  "]", # [[allow]]
  { a = 1 },
]
long = """
[[allow]]
cidr = 1
"""
literal = \'\'\'[x] """ \'\'\'

[sweep] # trailing
rate = 1
"quoted key" = 2
a.b = 3

[[allow]]
cidr = "10.0.0.0/8"
labels = { env = "prod" }

  [[ allow ]]
  owner = "x"
  [allow.labels]
  env = "y"

[[deny]]
cidr = [
  "a",
]
'''


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("title",), 2),
        (("many",), 3),
        (("long",), 7),
        (("literal",), 11),
        (("sweep",), 13),
        (("sweep", "rate"), 14),
        (("sweep", "quoted key"), 15),
        (("sweep", "a", "b"), 16),
        (("allow", 0), 18),
        (("allow", 0, "cidr"), 19),
        (("allow", 0, "labels", "env"), 20),
        (("allow", 0, "none"), 18),
        (("allow", 1), 22),
        (("allow", 1, "owner"), 23),
        (("allow", 1, "labels", "env"), 25),
        (("deny", 0, "cidr"), 28),
        (("nothing", 0), 1),
    ],
)
def test_lines(place: tuple[str | int, ...], line: int) -> None:
    assert tomllib.loads(TEXT)
    assert TomlLines(TEXT).line(place) == line


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1\na = 2\n", ("Cannot overwrite a value", 2)),
        ('["(at line 7)"]\nb = 1\n["(at line 7)"]\n', ("Cannot declare ('(at line 7)',) twice", 3)),
        ('a = """b\n', ("Unterminated string", None)),
    ],
)
def test_a_syntax_error_is_told_apart_from_its_place(text: str, told: tuple[str, int | None]) -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    assert syntax_error(str(caught.value)) == told
