"""How to close a server: the commands for its version and its role, and for the platforms that it may run on.

What a server runs on is not known from outside, so the likely platforms are all there. Sources: MongoDB's
manuals 2.4 to 8.0 (configuration options, "Enable Access Control", "Deploy Replica Set With Keyfile
Authentication", `transitionToAuth` since 3.4, `passwordPrompt` since 4.2, mongosh in place of mongo since
6.0), Docker's on packet filtering (chain DOCKER-USER). No line holds anything that a server said.
"""

from __future__ import annotations

import json
import re
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from results.notify.marked import Bullets, Code, Name, Ours, Paragraph
from results.record import STATUS_PAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from results.ledger.tracked import TrackedExposure
    from results.notify.marked import Block
    from results.notify.texts import Texts

_FIREWALL = Path(__file__).with_name("firewall.toml")
_INI_FILE, _YAML_FILE = "/etc/mongodb.conf", "/etc/mongod.conf"
_SET = frozenset({"primary", "secondary", "hidden", "arbiter", "recovering", "uninitiated"})


class Situation(NamedTuple):
    """What the way to close a server depends on. `version` is (0, 0) where it is not known."""

    product: str
    version: tuple[int, int]
    role: str
    port: int


def situation(exposure: TrackedExposure) -> Situation:
    """The situation of one server; servers in the same are told how to close it once."""
    role = exposure.topology
    if role == STATUS_PAGE:
        return Situation(exposure.product, _version(exposure), role, exposure.place.port)
    if role in _SET or (exposure.set_name and role != "config_server"):
        role = "set"
    if role not in ("set", "mongos", "config_server"):
        role = "standalone"
    return Situation(exposure.product, _version(exposure), role, exposure.place.port)


def _version(exposure: TrackedExposure) -> tuple[int, int]:
    number = re.match(r"(\d{1,3})\.(\d{1,3})", exposure.version)
    return (int(number[1]), int(number[2])) if number else (0, 0)


def steps(at: Situation, texts: Texts, *, firewall: bool = True) -> list[Block]:
    """What to do, in this order: the firewall (where it was not told yet), a user, configuration, restart."""
    blocks = _firewall(at, texts) if firewall else []
    if at.product not in ("mongodb", ""):
        return [*blocks, Paragraph(texts("step.own_product", product=Name(at.product)))]
    if at.role == STATUS_PAGE:
        return [*blocks, *_status_page(at, texts), *_restart(at, texts)[:2]]
    blocks += _user(at, texts)
    blocks += _configuration(at, texts)
    blocks += _restart(at, texts)
    more = [texts("step.seen")]
    if (0, 0) < at.version < (7, 0):
        more.append(texts("step.upgrade", version=Ours("MongoDB {}.{}".format(*at.version))))
    return [*blocks, Bullets(more)]


@cache
def _firewall_lines() -> dict[str, list[str]]:
    found: dict[str, list[str]] = tomllib.loads(_FIREWALL.read_text(encoding="utf-8"))
    return found


def _firewall(at: Situation, texts: Texts) -> list[Block]:
    port = Ours(str(at.port))
    blocks: list[Block] = [Paragraph(texts("step.firewall", port=port))]
    for platform, lines in _firewall_lines().items():
        values = {"port": port} if platform == "cloud" else {}
        blocks.append(Paragraph(texts(f"step.firewall_{platform}", **values)))
        blocks.append(Code([line.replace("PORT", port.text) for line in lines]))
    return blocks


def _status_page(at: Situation, texts: Texts) -> list[Block]:
    """Options of the manuals of 2.4 (`nohttpinterface`) and 2.6 to 3.4 (`net.http.enabled`)."""
    old = (0, 0) < at.version < (2, 6)
    lines = ["nohttpinterface = true"] if old else ["net:", "  http:", "    enabled: false"]
    file = _INI_FILE if old else _YAML_FILE
    blocks: list[Block] = [Paragraph(texts("step.status_page", file=Ours(file))), Code(lines)]
    if not old:
        blocks.append(Paragraph(texts("step.status_page_older")))
    return blocks


def _user(at: Situation, texts: Texts) -> list[Block]:
    known = at.version != (0, 0)
    shell = "mongosh" if not known or at.version >= (5, 0) else "mongo"
    blocks: list[Block] = [Paragraph(texts("step.user"))]
    if at.role == "set":
        blocks.append(Paragraph(texts("step.user_where_set")))
    elif at.role in ("mongos", "config_server"):
        blocks.append(Paragraph(texts("step.user_where_mongos")))
    if known and at.version < (2, 4):
        call = 'db.addUser("admin", "A-LONG-PASSWORD")'
    elif known and at.version < (2, 6):
        roles = '"userAdminAnyDatabase", "dbAdminAnyDatabase", "readWriteAnyDatabase", "clusterAdmin"'
        call = f'db.addUser({{user: "admin", pwd: "A-LONG-PASSWORD", roles: [{roles}]}})'
    else:
        password = "passwordPrompt()" if not known or at.version >= (4, 2) else '"A-LONG-PASSWORD"'
        call = f'db.createUser({{user: "admin", pwd: {password}, roles: ["root"]}})'
    blocks.append(Code([f"{shell} --port {at.port} admin", call]))
    blocks.append(Paragraph(texts("step.user_kept")))
    return blocks


def _configuration(at: Situation, texts: Texts) -> list[Block]:
    known, old = at.version != (0, 0), (0, 0) < at.version < (2, 6)
    keyed = at.role != "standalone"
    file = _INI_FILE if old else "/etc/mongos.conf" if at.role == "mongos" else _YAML_FILE
    blocks: list[Block] = []
    if keyed:
        blocks += _key_file(at, texts, old=old)
    about = "step.mongos_config" if at.role == "mongos" else "step.config"
    blocks.append(Paragraph(texts(about, file=Ours(file))))
    key_file = "/etc/mongodb-keyfile"
    if old:
        lines = ["bind_ip = 127.0.0.1,ADDRESS"]
        lines += [f"keyFile = {key_file}"] if keyed else []
        lines += [] if at.role == "mongos" else ["auth = true"]
        return [*blocks, Code(lines)]
    lines = ["net:", f"  port: {at.port}", "  bindIp: 127.0.0.1,ADDRESS", "security:"]
    lines += [] if at.role == "mongos" else ["  authorization: enabled"]
    lines += [f"  keyFile: {key_file}"] if keyed else []
    blocks.append(Code(lines))
    if at.version == (2, 6):
        blocks.append(Paragraph(texts("step.config_26")))
    elif not known:
        blocks.append(Paragraph(texts("step.config_unknown")))
    return blocks


def _key_file(at: Situation, texts: Texts, *, old: bool) -> list[Block]:
    rolling = at.version >= (3, 4) or at.version == (0, 0)
    return [
        Paragraph(texts("step.keyfile")),
        Code(
            [
                # 1,024 characters of base64 at most (all versions); 741 bytes leave room for line ends
                f"openssl rand -base64 {741 if old else 756} | sudo tee /etc/mongodb-keyfile >/dev/null",
                "sudo chown mongodb /etc/mongodb-keyfile || sudo chown mongod /etc/mongodb-keyfile",
                "sudo chmod 400 /etc/mongodb-keyfile",
            ]
        ),
        Paragraph(texts("step.rolling" if rolling else "step.not_rolling")),
    ]


def _restart(at: Situation, texts: Texts) -> list[Block]:
    old = (0, 0) < at.version < (2, 6)
    program = "mongos" if at.role == "mongos" else "mongod"
    service = "mongodb" if old else program
    tag = "{}.{}".format(*at.version) if at.version != (0, 0) else "VERSION"
    keyed, replicated = at.role != "standalone", at.role == "set"
    option = "--keyFile /etc/mongodb-keyfile" if keyed else "--auth"
    option += " --replSet SET" if replicated else ""
    volume = "-v /etc/mongodb-keyfile:/etc/mongodb-keyfile:ro " if keyed else ""
    folder = r"C:\Program Files\MongoDB\Server" + "\\" + tag + r"\bin"
    blocks: list[Block] = [
        Paragraph(texts("step.restart")),
        Code(
            [f"sudo service {service} restart"]
            if old
            else [f"sudo systemctl restart {service}", f"sudo service {service} restart"]
        ),
    ]
    if at.role == "mongos":
        return blocks
    return [
        *blocks,
        Paragraph(texts("step.docker")),
        Code(
            [
                f"docker run -d -p 127.0.0.1:{at.port}:27017 -v DATA:/data/db {volume}mongo:{tag} {option}",
                "# docker-compose.yml",
                "services:",
                "  mongo:",
                "    command: " + json.dumps(["mongod", *option.split()]),
                f'    ports: ["127.0.0.1:{at.port}:27017"]',
            ]
        ),
        Paragraph(texts("step.windows", file=Ours(folder + ("\\mongod.conf" if old else "\\mongod.cfg")))),
        Code(["net stop MongoDB", "net start MongoDB"] if old else ["Restart-Service MongoDB"]),
    ]


def checks(exposures: Sequence[TrackedExposure], texts: Texts) -> list[Block]:
    """How their owner sees that they are closed."""
    lines = []
    for exposure in exposures:
        at, ip = situation(exposure), exposure.place.ip
        address = ip if re.fullmatch(r"[0-9A-Fa-f.:]+", ip) else "ADDRESS"
        shell = "mongo" if (0, 0) < at.version < (4, 2) else "mongosh"
        if at.role == STATUS_PAGE:
            lines += [f"mongosweep verify {_id(exposure)}", f"nc -vz -w 5 {address} {at.port}"]
            continue
        lines += [
            f"mongosweep verify {_id(exposure)}",
            f"{shell} --host {address} --port {at.port} --eval 'db.adminCommand({{listDatabases: 1}})'",
            f"nc -vz -w 5 {address} {at.port}",
        ]
    pages = all(situation(exposure).role == STATUS_PAGE for exposure in exposures)
    says = "step.check_page_says" if pages else "step.check_says"
    return [Paragraph(texts("step.check")), Code(lines), Paragraph(texts(says))]


def replies(exposure: TrackedExposure, texts: Texts) -> list[Block]:
    """How its owner says that somebody is at it, or answers for it."""
    one = _id(exposure)
    return [
        Paragraph(texts("step.acknowledge")),
        Code([f'mongosweep acknowledge {one} --by "NAME"']),
        Paragraph(texts("step.accept")),
        Code([f'mongosweep accept {one} --by "NAME" --until YYYY-MM-DD --reason "WHY"']),
    ]


def _id(exposure: TrackedExposure) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "", exposure.exposure_id)
