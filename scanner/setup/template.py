"""The mongosweep.toml that `init` writes: every setting, explained, and an empty scope."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from scanner.errors import RefusedError

if TYPE_CHECKING:
    from pathlib import Path

TEMPLATE = """\
# mongosweep's configuration. The scope is empty: until you write [[allow]] entries, nothing is probed.
# `mongosweep plan` says what a sweep would do, and sends nothing.

[organisation]
# Both are sent to each server that speaks MongoDB, so that its log says who asked.
name = ""
contact = ""                       # such as "soc@example.com"

# --- which addresses may be probed, and whose they are -------------------------------------------
# cidr is a prefix, a range "10.20.0.1-10.20.0.9" or an address. The most specific entry names the owner.
#
# [[allow]]
# cidr = "10.20.0.0/16"
# owner = "web platform"
# contact = "web-oncall@example.com"
# site = "paris"
# ports = [27017, 27018]           # instead of [sweep] ports
# labels = { env = "production" }
# # Public address space needs both of these, and is refused once it has expired:
# authorised_by = "CHG-1234"
# expires = 2027-01-01
#
# Deny always wins.
#
# [[deny]]
# cidr = "10.20.30.0/24"
# reason = "medical devices"
#
# An owner may take a prefix out, for 90 days at most; every plan and every manifest counts it.
#
# [[optout]]
# cidr = "10.20.40.0/24"
# owner = "plant control"
# reason = "fragile; see CHG-2201"
# since = 2026-09-01
# expires = 2026-11-30

# --- or take the scope from what you already have: `mongosweep scope import` ---------------------
[scope]
files = []                         # allow-lists that count beside [[allow]], such as ["netbox.toml"]
signers = ""                       # allowed signers, as of ssh-keygen: then only signed allow-lists count
vrfs = [""]                        # VRFs that are reached from here, for imports; "" is the global table
max_growth = 0.1                   # by how much an import may make an allow-list grow unasked

[netbox]                           # the token: MONGOSWEEP_NETBOX_TOKEN, or token_file
url = ""                           # such as "https://netbox.example.com"
contact_role = ""                  # the role of the contact who answers for a prefix

# Addresses of a cloud change hands in minutes: entries with inventory = "aws" are asked only while this lists
# them.
#
# [[inventory]]
# name = "aws"
# command = ["aws", "ec2", "describe-network-interfaces", "--output", "json"]
# max_age = "5m"

[ipv6]
candidates = []                    # files that name the addresses to ask in prefixes too wide to sweep
low = 0                            # and so many of the lowest addresses of each of their /64s

[dns]
servers = []                       # whom `mongosweep leads` asks for names; the system's resolvers

[sweep]
ports = [27017]                    # or ["mongodb"], the usual ones: 27017 to 27020 and 28017
ports_from = []                    # files of another scanner: open ports of the scope that are asked, too
rate = 1000                        # new connections a second
per_prefix_rate = 20               # the same, into any one prefix of these lengths
per_prefix_length = 24
per_prefix_length_v6 = 64
connect_timeout = 3.5              # seconds; long enough for three lost packets
reply_timeout = 3.0                # seconds for each answer
host_timeout = 20.0                # seconds for one host in all
concurrency = 4096                 # connections at the same time; fewer where descriptors are short
half_open_limit = 4096             # unanswered connects: what the smallest state table on the way bears
engine = "connect"                 # or "syn" (needs the syn extra and CAP_NET_RAW)
loop = "uvloop"                    # or "asyncio"
workers = "auto"                   # processes that talk to servers; 1 = the main process alone
depth = "collections"              # or "databases", or "verdict"
vantage = ""                       # where it looks from: "internet" (what is open is graver), "office", ...
max_targets = 16777216             # addresses; a larger scope is refused

[limits]
# How much is taken from one server. What was cut says so in the record.
host_bytes = 67108864
databases_kept = 10000
databases_asked = 1000
collections_kept = 50000
collections_asked = 500
newest_asked = 100
indexes_asked = 100

# --- servers known to answer: when one is silent, the run is degraded ----------------------------
# [[canary]]
# address = "10.20.0.5"
# port = 27017
# expect = "auth_required"

# --- hours in which a prefix is not touched --------------------------------------------------------
# [[blackout]]
# cidr = "10.20.0.0/16"
# from = "08:00"
# to = "18:00"
# zone = "Europe/Paris"
# days = ["mon", "tue", "wed", "thu", "fri"]
# reason = "trading hours"

[pause]
# While this file exists, nothing new is sent.
stop_file = ""                     # such as "/run/mongosweep/stop"

[audit]
# Kept in the manifest of every run.
authorisation = ""                 # such as "CHG-1234"
operator = ""                      # who answers for it; the process's user if empty

[ownership]
# Where `scope prove` and `plan --ownership` ask who holds public prefixes.
rdap = ""                          # such as "https://rdap.db.ripe.net/"
bootstrap = []                     # or IANA's files, such as ["ipv4.json", "ipv6.json"]
handles = []                       # our own, such as ["ORG-EX1-RIPE"]
hosts = []                         # where it may redirect to, such as ["rdap.arin.net"]

[severity]
# Points that add up to a finding's score, 0 to 100, and the scores from which on it is how grave.
critical = 74
high = 48
medium = 22
low = 5
open = 48                          # lists its databases without a password
no_data = 24                       # the same, without data of users
open_no_data = 8                   # passed the access check, and has nothing to read
unknown = 8                        # answers that prove nothing
internet = 26                      # open, seen from the vantage "internet"
size = 26                          # at most, for 10 GiB or a million documents
telling_names = 16                 # at most, for names that hint at four kinds of personal or secret data
liveness = 12                      # at most, for what was written to within a day
ransom = 40                        # an extortionist's note, and other data is or may be there
wiped = 30                         # the same, and no other data is left
stranger = 10                      # a stranger's mark
exploited = 4                      # a version with a vulnerability that is known to be exploited
end_of_life = 1                    # a version without support

[deadlines]
# By when an exposure is to be closed, from its first sight on: 36h, 14d, 2w; "" for none.
critical = "1d"
high = "3d"
medium = "14d"
low = "30d"
info = ""

[notify]
# `mongosweep notify` writes one message for each owner, and remembers who was told.
to = "folder"                      # or "smtp", or "webhook"
folder = ""                        # such as "/var/spool/mongosweep"; `notices` in the output folder if empty
language = "en"                    # or "fr", "de", "es"
remind_after = ["3d", "7d"]        # after the first message
escalate_after = "14d"
escalate_to = []                   # such as ["ciso@example.com"]
fallback_to = []                   # in place of owners without an address
closed_notice = false

# Whom to tell for an owner, where the allow-list's contact is not the right address.
#
# [[recipient]]
# owner = "web platform"
# to = ["web-oncall@example.com"]
# language = "fr"

[smtp]
# The password comes from MONGOSWEEP_SMTP_PASSWORD, or from password_file.
host = ""                          # such as "mail.example.com"
port = 587
tls = "starttls"                   # or "implicit"; "none" for a relay on this machine
ca_file = ""
sender = ""                        # such as "mongosweep@example.com"
user = ""
password_file = ""
timeout = 30.0                     # seconds for each answer

[webhook]
# Signed where MONGOSWEEP_WEBHOOK_SECRET or secret_file holds a secret.
url = ""                           # such as "https://hooks.example.com/mongosweep"
ca_file = ""
secret_file = ""
timeout = 15.0                     # seconds for one attempt
attempts = 4

[forward]
# `mongosweep forward` sends changes and run events to each sink, and remembers what was delivered.
remind_every = "7d"                # an exposure that stays open is told again; "" for never
patience = 30.0                    # seconds that a receiver which is not there is tried

# Where events go: splunk, elastic, sentinel, webhook, syslog, kafka, journald or file. The secret comes from
# MONGOSWEEP_SINK_SPLUNK_SECRET (the sink's name in capitals), or from secret_file.
#
# [[sink]]
# kind = "splunk"
# url = "https://splunk.example.com:8088"
# index = "security"
#
# [[sink]]
# kind = "file"
# path = "/var/log/mongosweep/findings.jsonl"
# group = "adm"

[data]
# `mongosweep data update` takes newer tables of advisories and names, signed by one of these signers.
directory = ""                     # `mongosweep` below XDG_DATA_HOME if empty
signers = ""                       # allowed signers, as of ssh-keygen

[fleet]
# `mongosweep sweep --fleet tls://…` has workers at each site of the allow entries sweep it, as one run.
scheduler = ""                     # such as "tls://scheduler.example.com:8786"
certificates = ""                  # the folder that `mongosweep fleet init` made for this machine
default_site = ""                  # whose workers ask what allow entries without a site allow
patience = 600                     # seconds that a site without workers is waited for
shard_seconds = 300                # about what is given to a worker at once

[service]
# `mongosweep serve` starts sweeps by [[schedule]], asks open exposures again, and shows a page.
listen = "127.0.0.1:8017"          # any but a loopback address needs certificate and key, or proxies
names = []                         # by which browsers reach it, such as ["mongosweep.example.com"]
certificate = ""
key = ""
proxies = []                       # whose identity_header is believed, such as ["127.0.0.1"]
identity_header = "X-Forwarded-User"
sweeps_at_once = 1                 # of different prefixes; each has [sweep] rate for itself
verify_every = "15m"               # "" for never
notify_every = "1h"
keep_runs = ""                     # such as "90d"; for ever if empty

# When a part of the scope is swept, by the sites and owners of its allow entries; none: all of it.
#
# [[schedule]]
# name = "paris-nightly"
# cron = "0 2 * * *"               # minute, hour, day of month, month, day of week
# zone = "Europe/Paris"
# sites = ["paris"]
# jitter = "15m"                   # each start is put off by up to so long
# catch_up = "12h"                 # a start that was missed is made up for within this time
# stop_after = "6h"
# fleet = false                    # true: by the workers of [fleet], each site by its own
"""


def require_new(path: Path) -> None:
    """Refuse what `write_template` would refuse, before anybody is asked anything. Raises RefusedError."""
    if os.path.lexists(path):
        raise _exists(path)
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise RefusedError(f"{path} cannot be written; name another place")


def write_template(path: Path, text: str = TEMPLATE) -> None:
    """Write the template, or it with answers, to a new file. Raises RefusedError when it exists or cannot be
    written."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise RefusedError(f"{path} cannot be written: {error.strerror}; name another place") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except BaseException as error:  # a file without its end would be read, and is in the way of the next one
        with suppress(OSError):
            path.unlink()
        if isinstance(error, OSError):
            raise RefusedError(f"{path} cannot be written: {error.strerror}; name another place") from None
        raise


def _exists(path: Path) -> RefusedError:
    return RefusedError(f"{path} exists and is left as it is; name another file, or remove it")
