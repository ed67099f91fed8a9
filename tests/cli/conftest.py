"""The fixtures that the tests of this folder take from tests/support."""

from tests.support.collecting import folder, hec
from tests.support.mail_fixtures import authority, mail

__all__ = ["authority", "folder", "hec", "mail"]
