"""What a person at a terminal would be told, as log records: a program decides where they go, or whether."""

from __future__ import annotations

import logging

import results
import scanner
import targets

log = logging.getLogger(__package__)

for _name in (__package__, scanner.__name__, results.__name__, targets.__name__):
    logging.getLogger(_name).addHandler(logging.NullHandler())  # else Python prints what nobody takes
