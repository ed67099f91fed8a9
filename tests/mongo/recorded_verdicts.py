"""The verdict that each recording of a real server must get."""

from __future__ import annotations

from results.verdict import Verdict

OPEN, NO_DATA, AUTH, UNKNOWN = Verdict.OPEN, Verdict.OPEN_NO_DATA, Verdict.AUTH_REQUIRED, Verdict.UNKNOWN


# (version, scenario, node): verdict, deciding rule, role in the handshake
EXPECTED: dict[tuple[str, str, str], tuple[Verdict, str, str]] = {
    ("2.6.0-rc1", "auth_no_user", "from_127.0.0.1"): (OPEN, "databases-listed", "standalone"),
    ("2.6.0-rc1", "auth_no_user", "from_127.0.0.2"): (OPEN, "databases-listed", "standalone"),
    ("2.6.0-rc1", "auth_no_user", "as_remote"): (AUTH, "auth-required", "standalone"),
    ("2.6.0-rc1", "auth_user", ""): (AUTH, "auth-required", "standalone"),
    ("2.6.0-rc1", "open_data", ""): (OPEN, "databases-listed", "standalone"),
    ("2.6.0-rc1", "open_empty", ""): (OPEN, "databases-listed", "standalone"),
    ("2.6.0-rc1", "open_profile", ""): (OPEN, "databases-listed", "standalone"),
    ("2.6.0-rc1", "rs_members_auth", "primary"): (AUTH, "auth-required", "primary"),
    ("2.6.0-rc1", "rs_members_auth", "secondary"): (AUTH, "auth-required", "secondary"),
    ("2.6.0-rc1", "rs_members_auth", "arbiter"): (NO_DATA, "no-data-member", "arbiter"),
    ("2.6.0-rc1", "rs_members_auth", "arbiter_from_127.0.0.2"): (NO_DATA, "no-data-member", "arbiter"),
    ("2.6.0-rc1", "rs_members_auth", "arbiter_as_remote"): (AUTH, "auth-required", "arbiter"),
    ("2.6.0-rc1", "rs_single", ""): (OPEN, "databases-listed", "primary"),
    ("2.6.0-rc1", "rs_uninitiated", ""): (NO_DATA, "no-data-member", "uninitiated"),
    ("4.0.3", "auth_no_user", "from_127.0.0.1"): (AUTH, "localhost-exception", "standalone"),
    ("4.0.3", "auth_no_user", "from_127.0.0.2"): (AUTH, "localhost-exception", "standalone"),
    ("4.0.3", "auth_no_user", "as_remote"): (AUTH, "auth-required", "standalone"),
    ("4.0.3", "auth_user", ""): (AUTH, "auth-required", "standalone"),
    ("4.0.3", "mongos_open", "router"): (OPEN, "databases-listed", "mongos"),
    ("4.0.3", "mongos_open", "shard"): (OPEN, "databases-listed", "primary"),
    ("4.0.3", "mongos_open", "config"): (OPEN, "databases-listed", "primary"),
    ("4.0.3", "open_data", ""): (OPEN, "databases-listed", "standalone"),
    ("4.0.3", "open_empty", ""): (OPEN, "databases-listed", "standalone"),
    ("4.0.3", "open_profile", ""): (OPEN, "databases-listed", "standalone"),
    ("4.0.3", "rs_members", "primary"): (OPEN, "databases-listed", "primary"),
    ("4.0.3", "rs_members", "secondary"): (OPEN, "databases-listed", "secondary"),
    ("4.0.3", "rs_members", "arbiter"): (NO_DATA, "no-data-member", "arbiter"),
    ("4.0.3", "rs_members", "recovering"): (OPEN, "databases-listed", "other"),
    ("4.0.3", "rs_members", "lonely"): (OPEN, "databases-listed", "secondary"),
    ("4.0.3", "rs_single", ""): (OPEN, "databases-listed", "primary"),
    ("4.0.3", "rs_uninitiated", ""): (NO_DATA, "no-data-member", "uninitiated"),
    ("4.0.3", "rs_uninitiated_auth", "from_127.0.0.1"): (AUTH, "localhost-exception", "uninitiated"),
    ("4.0.3", "rs_uninitiated_auth", "as_remote"): (AUTH, "auth-required", "uninitiated"),
    ("7.1.0", "auth_user", ""): (AUTH, "auth-required", "standalone"),
    ("7.1.0", "mongos_auth", "router"): (AUTH, "auth-required", "mongos"),
    ("7.1.0", "mongos_auth", "shard"): (AUTH, "auth-required", "primary"),
    ("7.1.0", "mongos_auth", "config"): (AUTH, "auth-required", "primary"),
    ("7.1.0", "mongos_open", "router"): (OPEN, "databases-listed", "mongos"),
    ("7.1.0", "mongos_open", "shard"): (OPEN, "databases-listed", "primary"),
    ("7.1.0", "mongos_open", "config"): (OPEN, "databases-listed", "primary"),
    ("7.1.0", "open_data", ""): (OPEN, "databases-listed", "standalone"),
    ("7.1.0", "open_empty", ""): (OPEN, "databases-listed", "standalone"),
    ("7.1.0", "open_profile", ""): (OPEN, "databases-listed", "standalone"),
    ("7.1.0", "rs_members", "primary"): (OPEN, "databases-listed", "primary"),
    ("7.1.0", "rs_members", "secondary"): (OPEN, "databases-listed", "secondary"),
    ("7.1.0", "rs_members", "arbiter"): (NO_DATA, "not-readable-state", "arbiter"),
    ("7.1.0", "rs_members", "recovering"): (NO_DATA, "not-readable-state", "other"),
    ("7.1.0", "rs_members", "lonely"): (OPEN, "databases-listed", "secondary"),
    ("7.1.0", "rs_single", ""): (OPEN, "databases-listed", "primary"),
    ("7.1.0", "rs_uninitiated_auth", "from_127.0.0.1"): (AUTH, "localhost-exception", "uninitiated"),
    ("7.1.0", "rs_uninitiated_auth", "as_remote"): (AUTH, "auth-required", "uninitiated"),
}


TLS_EXPECTED: dict[str, tuple[Verdict, int]] = {  # mode/setting: verdict, connections
    "requireSSL/nocafile": (OPEN, 2),
    "requireSSL/ca_optional": (OPEN, 2),
    "requireSSL/ca_required": (Verdict.TLS_CLIENT_CERTIFICATE_REQUIRED, 2),
    "requireSSL/nocafile_auth": (AUTH, 2),
    "requireSSL/no_tls12": (OPEN, 2),
    "preferSSL/nocafile": (OPEN, 1),
    "preferSSL/ca_optional": (OPEN, 1),
    "preferSSL/ca_required": (OPEN, 1),
    "allowSSL/nocafile": (OPEN, 1),
    "allowSSL/ca_optional": (OPEN, 1),
    "allowSSL/ca_required": (OPEN, 1),
}
