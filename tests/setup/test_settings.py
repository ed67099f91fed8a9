"""The configuration: what is accepted, and that each refusal names file, line and remedy."""

from __future__ import annotations

import errno
import math
import os
import re
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.errors import RefusedError
from scanner.mongo.facts import Limits
from scanner.setup.config_file import find_config, mongo_limits, read_config
from scanner.setup.settings import LimitSettings, Settings
from scanner.setup.template import TEMPLATE, write_template
from targets.errors import ScopeError

if TYPE_CHECKING:
    from pathlib import Path

_WINDOW = "[[blackout]]\ncidr = '10.0.0.0/8'\nfrom = '08:00'\n"

REFUSALS = [
    ("[sweep]\nrate = 0", 2, "rate", "above 0"),
    ("[sweep]\nrate = nan", 2, "rate", "rate = 1000"),
    ("[sweep]\nrate = inf", 2, "rate", "rate = 1000"),
    ("[sweep]\nrate = 'fast'", 2, '"fast"', "rate = 1000"),
    ("[sweep]\nports = [0]", 2, "ports[0] = 0", "1 to 65535"),
    ("[sweep]\nports = [\n  27017,\n  70000,\n]", 2, "70000", "1 to 65535"),
    ("[sweep]\nports = []", 2, "ports", "[27017]"),
    ("[sweep]\nports = 27017", 2, "ports = 27017", "[27017]"),
    ("[sweep]\nports = [27017, 27017]", 2, "twice", "once"),
    ("[sweep]\nports = [true]", 2, "ports", "1 to 65535"),
    ("[sweep]\n\nrtae = 1", 3, "'rtae'", "did you mean rate?"),
    ("[sweep]\nconnect_timeout = -1", 2, "connect_timeout", "3.5"),
    ("[sweep]\nconnect_timeout = 10\nhost_timeout = 2", 3, "host_timeout", "longer"),
    ("[sweep]\nengine = 'sin'", 2, '"sin"', '"connect" or "syn"'),
    ("[sweep]\nper_prefix_length = 33", 2, "per_prefix_length", "8 to 32"),
    ("[sweep]\nvantage = 'internet\n'".replace("'", '"""'), 2, "vantage", "small letters"),
    ("[organisation]\nname = 'Acme\n'".replace("'", '"""'), 2, "name", "name ="),
    ("# note\n[swep]\nrate = 1", 2, "'swep'", "did you mean sweep?"),
    ("sweep = 3", 1, "sweep = 3", "[sweep] on a line of its own"),
    ("[[sweep]]\nrate = 1", 1, "sweep", "[sweep] on a line of its own"),
    ("[allow]\ncidr = '10.0.0.0/8'", 1, "allow", "[[allow]]"),
    ("[[canary]]\nport = 3", 1, "no address", "address ="),
    ("[[canary]]\naddress = '10.0.0.1'\n\n[[canary]]\naddress = 3", 5, "address = 3", "10.20.0.5"),
    ("[[canary]]\naddress = '10.0.0.1'\nexpect = 'filtered'", 3, "not an answer", "auth_required"),
    ("[[blackout]]\ncidr = '10.0.0.1/8'\nfrom = '08:00'\nto = '18:00'", 2, "host bits", "10.0.0.0/8"),
    ("[[blackout]]\ncidr = '10.0.0.0/8'\nfrom = '8'\nto = '18:00'", 3, 'from = "8"', "08:00"),
    (
        "[[blackout]]\ncidr = '10.0.0.0/8'\nfrom = '08:00'\nto = '18:00'\nzone = 'Mars'",
        5,
        "Mars",
        "Europe/Paris",
    ),
    (_WINDOW + "to = '08:00'", 4, "same time", "24:00"),
    (
        "[[blackout]]\ncidr = '10.0.0.0/8'\nfrom = '08:00'\nto = '08:01'\n[sweep]\nhost_timeout = 90",
        4,
        "60 s",
        "later",
    ),
    ('[organisation]\ncontact = "a\\nb"', 2, "contact", "soc@example.com"),
    ("[deadlines]\ncritical = '1 day'", 2, '"1 day"', 'critical = "1d"'),
    ("[severity]\ncritical = 101", 2, "critical = 101", "critical = 80"),
    ("[severity]\nransom = -1", 2, "ransom = -1", "ransom = 50"),
    (
        "[severity]\nopen = 4\nhigh = 74",
        3,
        "high = 74 does not begin below critical = 74",
        "74, 48, 22 and 5",
    ),
    ("[severity]\nmedium = 5", 2, "low = 5 does not begin below medium = 5", "write falling ones"),
    ("[severity]\ntelling = 3", 2, "'telling'", "did you mean telling_names?"),
    ("[deadlines]\ncritcal = '1d'", 2, "'critcal'", "did you mean critical?"),
    ("[notify]\nremind_after = ['7d', '3d']", 2, "does not grow", '["3d", "7d"]'),
    ("[notify]\nremind_after = ['soon']", 2, "remind_after", '["3d", "7d"]'),
    ("[notify]\nescalate_to = ['the boss']", 2, '"the boss"', "ciso@example.com"),
    ("[notify]\nto = 'pigeon'", 2, '"pigeon"', '"folder", "smtp" or "webhook"'),
    ("[notify]\nto = 'smtp'", 2, "mail server", "[smtp]"),
    ("[notify]\nto = 'webhook'", 2, "needs an address", "[webhook]"),
    ("[notify]\nlanguage = 'it'", 2, '"it"', '"en", "fr", "de" or "es"'),
    ("[smtp]\nhost = 'mail.example.com'", 2, "no sender", "sender ="),
    ("[smtp]\nsender = 'a@b\\nBcc: c@d'", 2, "sender", "mongosweep@example.com"),
    (
        "[smtp]\nhost = 'mail.example.com'\nsender = 'm@example.com'\ntls = 'none'",
        4,
        "in the clear",
        'tls = "starttls"',
    ),
    ("[webhook]\nurl = 'http://hooks.example.com/'", 2, "not encrypted", "https://"),
    ("[webhook]\nurl = 'http://127.0.0.1@hooks.example.com/'", 2, "not encrypted", "https://"),
    (
        "[[recipient]]\nowner = 'w'\nto = ['a@b.example']\n[[recipient]]\nowner = 'w'\nto = ['b@b.example']",
        5,
        "twice",
        "one `to`",
    ),
    ("[[recipient]]\nto = ['a@example.com']", 1, "no owner", "owner ="),
    ("rate =", 1, "not valid TOML", "'rate ='"),
    ("[sweep]\nrate = 1\nrate = 2", 3, "not valid TOML", "rate = 2"),
    ("[sweep", 1, "not valid TOML", "[sweep"),
]


@pytest.mark.parametrize(("text", "line", "place", "remedy"), REFUSALS)
def test_a_refusal_names_file_line_and_remedy(
    tmp_path: Path, text: str, line: int, place: str, remedy: str
) -> None:
    path = tmp_path / "mongosweep.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RefusedError) as caught:
        read_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ")
    assert place in message
    assert remedy in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("document", "phrase"),
    [
        ({"swep": {}}, "Object contains unknown field `swep`"),
        ({"sweep": {"rtae": 1}}, "Object contains unknown field `rtae` - at `$.sweep`"),
        (
            {"canary": [{"address": "a"}, {"port": 3}]},
            "Object missing required field `address` - at `$.canary[1]`",
        ),
        ({"sweep": {"ports": [27017, 0]}}, "Expected `int` >= 1 - at `$.sweep.ports[1]`"),
        ({"sweep": 3}, "Expected `object`, got `int` - at `$.sweep`"),
    ],
)
def test_msgspec_still_says_it_in_the_words_that_are_read(document: dict[str, Any], phrase: str) -> None:
    """The place and the reason of a refusal are taken from its prose."""
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert(document, Settings)
    assert str(caught.value) == phrase


def test_windows_line_ends_and_a_byte_order_mark_change_no_line_number(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf# one\r\n[sweep]\r\nrate = 0\r\n")
    with pytest.raises(RefusedError, match=r"c\.toml:3: "):
        read_config(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b" \n\n", "empty"), (b"[sweep]\nrate = '\xff'", ":2: byte 0xff is not UTF-8")],
)
def test_files_that_are_no_text_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(content)
    with pytest.raises((RefusedError, ScopeError), match=reason):
        read_config(path)


def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path / "nothing", "does not exist"),
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path, "not a regular file"),
        (tmp_path / "nothing" / "below", "does not exist"),
    ):
        with pytest.raises((RefusedError, ScopeError), match=reason):
            read_config(path)


def test_a_file_that_everybody_can_write_to_proves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[sweep]\n", encoding="utf-8")
    path.chmod(0o666)
    with pytest.raises(ScopeError, match="chmod o-w"):
        read_config(path)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("x = " + "[" * 5000, encoding="utf-8")
    with pytest.raises(RefusedError, match="nested too deeply"):
        read_config(path)


def test_the_example_of_the_manual_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        """
[organisation]
name = "Example"
contact = "soc@example.com"

[[allow]]
cidr = "10.20.0.0/16"
owner = "web platform"

[[deny]]
cidr = "10.20.30.0/24"
reason = "medical devices"

[sweep]
ports = [27017, 27018]
rate = 250
connect_timeout = 4

[[blackout]]
cidr = "10.20.0.0/16"
from = "22:00"
to = "06:00"
zone = "Europe/Paris"
days = ["sun"]
""",
        encoding="utf-8",
    )
    config = read_config(path)
    settings = config.settings
    assert settings.sweep.ports == (27017, 27018)
    assert settings.sweep.rate == 250.0
    assert settings.sweep.connect_timeout == 4.0
    assert settings.blackout[0].start == "22:00"
    assert settings.allow[0]["owner"] == "web platform"
    assert config.place(("allow", 0, "cidr")) == f"{path}:7"


def test_settings_cannot_be_changed_once_read() -> None:
    with pytest.raises(AttributeError):
        Settings().sweep.rate = 5.0  # type: ignore[misc]  # that is the point


def test_the_defaults_are_polite() -> None:
    sweep = Settings().sweep
    assert sweep.rate <= 1000
    assert sweep.per_prefix_rate <= 50
    assert sweep.connect_timeout == 3.5
    assert sweep.half_open_limit >= sweep.rate * sweep.connect_timeout
    assert Settings().allow == ()


class TestTemplate:
    def test_it_holds_every_setting_with_its_default(self, tmp_path: Path) -> None:
        write_template(tmp_path / "c.toml")
        assert read_config(tmp_path / "c.toml").settings == Settings()

    def test_every_key_is_explained_in_it(self) -> None:
        for section in msgspec.structs.fields(Settings):
            assert f"[{section.encode_name}]" in TEMPLATE
        for struct in (type(Settings().sweep), LimitSettings):
            for field in msgspec.structs.fields(struct):
                assert f"\n{field.encode_name} = " in TEMPLATE

    def test_its_commented_examples_are_valid(self, tmp_path: Path) -> None:
        text = re.sub(r"^# (\[\[|\w+ = )", r"\1", TEMPLATE, flags=re.MULTILINE)
        path = tmp_path / "c.toml"
        path.write_text(text, encoding="utf-8")
        settings = read_config(path).settings
        assert (
            len(settings.allow) == len(settings.deny) == len(settings.canary) == len(settings.blackout) == 1
        )

    def test_it_overwrites_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "c.toml"
        path.write_text("mine", encoding="utf-8")
        with pytest.raises(RefusedError, match="left as it is"):
            write_template(path)
        assert path.read_text(encoding="utf-8") == "mine"

    def test_nobody_else_may_write_it(self, tmp_path: Path) -> None:
        old = os.umask(0)
        try:
            write_template(tmp_path / "c.toml")
        finally:
            os.umask(old)
        assert (tmp_path / "c.toml").stat().st_mode & 0o022 == 0

    def test_a_disk_that_is_full_leaves_no_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(RefusedError, match="No space left"):
            write_template(tmp_path / "c.toml")
        assert not [*tmp_path.iterdir()]

    def test_a_place_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(RefusedError, match="cannot be written"):
            write_template(tmp_path / "no" / "c.toml")


class TestFindConfig:
    def test_what_is_asked_for_wins(self) -> None:
        assert str(find_config("elsewhere.toml", {})) == "elsewhere.toml"

    def test_here_comes_before_the_home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        home = tmp_path / "config"
        (home / "mongosweep").mkdir(parents=True)
        (home / "mongosweep" / "mongosweep.toml").touch()
        environment = {"XDG_CONFIG_HOME": str(home)}
        assert find_config(None, environment) == home / "mongosweep" / "mongosweep.toml"
        (tmp_path / "mongosweep.toml").touch()
        assert str(find_config(None, environment)) == "mongosweep.toml"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
    def test_a_file_of_somebody_else_is_not_picked_up(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        path = tmp_path / "mongosweep.toml"
        path.touch()
        os.chown(path, 12345, 12345)
        with pytest.raises(RefusedError, match="another user"):
            find_config(None, {})
        assert find_config(str(path), {}) == path


def test_limits_are_those_of_the_protocol_core() -> None:
    assert Limits(**mongo_limits(LimitSettings())) == Limits()


_scalars: st.SearchStrategy[Any] = st.one_of(
    st.none().map(lambda _: "x"), st.booleans(), st.integers(-5, 10**9), st.floats(), st.text(max_size=5)
)
_names = [field.encode_name for field in msgspec.structs.fields(type(Settings().sweep))]


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return (
            "nan"
            if math.isnan(value)
            else ("inf" if value > 0 else "-inf")
            if math.isinf(value)
            else repr(value)
        )
    if isinstance(value, str):
        return '"' + "".join(f"\\U{ord(c):08x}" for c in value if not 0xD800 <= ord(c) <= 0xDFFF) + '"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return str(value)


@given(key=st.sampled_from(_names), value=st.one_of(_scalars, st.lists(_scalars, max_size=3)))
def test_any_value_is_either_taken_in_range_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, key: str, value: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_text(f"# first\n[sweep]\n{key} = {_toml(value)}\n", encoding="utf-8")
    refusal = ""
    try:
        sweep = read_config(path).settings.sweep
    except RefusedError as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith(f"{path}:")
        assert "\n" not in refusal
        assert "write" in refusal
        return
    assert 0 < sweep.rate < math.inf
    assert all(port == "mongodb" or 1 <= port <= 65535 for port in sweep.ports)
    assert sweep.connect_timeout <= sweep.host_timeout
