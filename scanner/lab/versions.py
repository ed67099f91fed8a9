"""How the releases differ where a client can see it. Sources: recordings of real servers, server source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scanner.lab.wire import Document


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release. `wire` is maxWireVersion, None where hello does not have the field (2.4 and older)."""

    text: str
    wire: int | None
    extra: tuple[tuple[str, Any], ...] = ()  # more fields of buildInfo, for derived products

    @property
    def numbers(self) -> tuple[int, ...]:
        """Major, minor, patch."""
        return tuple(int(part) for part in self.text.split("-")[0].split(".")[:3])

    def at_least(self, *numbers: int) -> bool:
        """True for this release and all later ones."""
        return self.numbers >= numbers

    @property
    def level(self) -> int:
        """maxWireVersion as a number; 0 where it is absent."""
        return self.wire or 0

    @property
    def speaks_msg(self) -> bool:
        """OP_MSG came with 3.6."""
        return self.level >= 6

    @property
    def refuses_query(self) -> bool:
        """5.1 and later answer OP_QUERY only to isMaster, hello and buildInfo (and login commands)."""
        return self.level >= 14

    @property
    def knows_hello(self) -> bool:
        """`hello` is in 5.0 and was brought back to late patches of 3.6, 4.0, 4.2 and 4.4."""
        back = {(3, 6): 21, (4, 0): 21, (4, 2): 10, (4, 4): 2}
        return self.level >= 10 or self.numbers[2] >= back.get((self.numbers[0], self.numbers[1]), 10_000)

    @property
    def whole_sizes(self) -> bool:
        """Sizes in listDatabases are doubles up to 4.4 (seen on 2.6, 4.0), int64 later (seen on 5.0, 7.1)."""
        return self.level >= 13

    @property
    def codes(self) -> bool:
        """Errors carry `code` (2.6)."""
        return self.at_least(2, 6)

    @property
    def code_names(self) -> bool:
        """Errors carry `codeName` (3.4)."""
        return self.at_least(3, 4)

    def build_info(self) -> Document:
        """The answer to buildInfo; compiler flags are left out."""
        array = [*self.numbers, 0]
        if not self.at_least(3, 0):
            return {
                "version": self.text,
                "gitVersion": "e3d78955d181e475345ebd60053a4738a4c5268a",
                "OpenSSLVersion": "",
                "sysInfo": "Linux build 3.2.0 #1 SMP x86_64 BOOST_LIB_VERSION=1_49",
                "loaderFlags": "-fPIC -pthread",
                "compilerFlags": "-Wall",
                "allocator": "tcmalloc",
                "versionArray": array,
                "javascriptEngine": "V8",
                "bits": 64,
                "debug": False,
                "maxBsonObjectSize": 16_777_216,
                **dict(self.extra),
                "ok": 1.0,
            }
        return {
            "version": self.text,
            "gitVersion": "58ea9c62dd9b1d0f8b4d1a5e9f7d2c0b6a4e3f21",
            "modules": [],
            "allocator": "tcmalloc",
            "javascriptEngine": "mozjs",
            "sysInfo": "deprecated",
            "versionArray": array,
            "openssl": {"running": "OpenSSL 1.1.1w  11 Sep 2023", "compiled": "OpenSSL 1.1.1w  11 Sep 2023"},
            "buildEnvironment": {
                "distmod": "debian11",
                "distarch": "x86_64",
                "cc": "gcc",
                "ccflags": "",
                "cxx": "g++",
                "cxxflags": "",
                "linkflags": "",
                "target_arch": "x86_64",
                "target_os": "linux",
            },
            "bits": 64,
            "debug": False,
            "maxBsonObjectSize": 16_777_216,
            "storageEngines": ["devnull", "wiredTiger"],
            **dict(self.extra),
            "ok": 1.0,
        }


V2_4 = Release(text="2.4.14", wire=None)
V2_6 = Release(text="2.6.12", wire=2)
V3_2 = Release(text="3.2.22", wire=4)
V3_6 = Release(text="3.6.23", wire=6)
V4_0 = Release(text="4.0.3", wire=7)
V4_4 = Release(text="4.4.29", wire=9)
V6_0 = Release(text="6.0.19", wire=17)
V7_0 = Release(text="7.0.14", wire=21)
V7_1 = Release(text="7.1.0", wire=22)
V8_0 = Release(text="8.0.12", wire=25)
V8_2 = Release(text="8.2.1", wire=27)
V9_0 = Release(text="9.0.1", wire=29)
