"""Hosts as a person names them, the command line of ssh, and what its failures mean."""

from __future__ import annotations

import pytest

from scanner.errors import RefusedError
from scanner.fleet.ssh_hosts import MOST_HOSTS, Host, command_line, meaning_of, parse_hosts


def test_hosts_are_read_with_site_user_and_port() -> None:
    assert parse_hosts("a, paris=b.example.com,london=user@c:2222,[2001:db8::1]:22,rome=[::1]") == (
        Host("a", "a"),
        Host("b.example.com", "b.example.com", "paris"),
        Host("user@c:2222", "c", "london", "user", 2222),
        Host("[2001:db8::1]:22", "2001:db8::1", "", "", 22),
        Host("[::1]", "::1", "rome"),
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "--ssh, entry 1: it is empty"),
        ("a,,b", "entry 2: it is empty"),
        ("a,", "entry 2: it is empty"),
        ("paris=", "'' is no name of a host"),
        ("=a", "'' is no name of a site"),
        ("-oProxyCommand=touch x", "no name of a site"),
        ("-oProxyCommand", "'-oProxyCommand' is no name of a host"),
        ("paris=-v", "'-v' is no name of a host"),
        ("-l@a", "'-l' is no name of a user"),
        ("@a", "'' is no name of a user"),
        ("a;id", "no name of a host"),
        ("$(id)", "no name of a host"),
        ("a b", "no name of a host"),
        ("a\n", "no name of a host"),
        ("par\x1b[31mis=a", "'par\\\\x1b[31mis' is no name of a site"),
        ("a@b@c", "'a@b' is no name of a user"),
        ("a:0", "'0' is no port"),
        ("a:", "'' is no port"),
        ("a:65536", "'65536' is no port"),
        ("a:٢٢", "is no port"),
        ("::1", "needs brackets"),
        ("[::1", "is no IPv6 address"),
        ("[fe80::1%eth0]", "is no IPv6 address"),
        ("[::1]22", "is no IPv6 address"),
        ("bücher.example", "no name of a host"),
        ("paris=a,rome=A", "A is named twice (entry 1)"),
        ("u@a:22,u@a:22", "named twice"),
    ],
)
def test_what_is_no_list_of_hosts_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(RefusedError) as refused:
        parse_hosts(text)
    told = str(refused.value)
    assert says in told
    assert told.startswith("--ssh, entry ")
    assert told.isprintable()


def test_too_many_hosts_are_refused() -> None:
    with pytest.raises(RefusedError, match="at most 1,000"):
        parse_hosts(",".join(f"h{number}" for number in range(MOST_HOSTS + 1)))


def test_the_same_name_on_two_ports_is_two_hosts() -> None:
    assert len(parse_hosts("a,a:22,b@a")) == 3


def test_the_command_of_the_other_end_is_quoted_for_its_shell() -> None:
    host = Host("u@a:2222", "a", "paris", "u", 2222)
    argv = command_line(host, "paris", ("ssh", "-F", "x"), ("/opt/a b/mongosweep", "fleet", "shard"))
    assert argv[:4] == ["ssh", "-F", "x", "-T"]
    assert argv[-4:] == ["u", "--", "a", "'/opt/a b/mongosweep' fleet shard --site paris"]
    assert argv[-7:-5] == ["-p", "2222"]
    assert "BatchMode=yes" in argv


@pytest.mark.parametrize(
    ("code", "stderr", "says", "nothing_began"),
    [
        (
            255,
            "ssh: Could not resolve hostname a: Name or service not known",
            "name cannot be resolved",
            True,
        ),
        (255, "ssh: connect to host a port 22: No route to host", "there is no way to it", True),
        (255, "ssh: connect to host a port 22: Connection timed out", "it cannot be reached", True),
        (
            255,
            "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
            "another one than is known here",
            True,
        ),
        (255, "Timeout, server a not responding.", "the connection was cut", False),
        (255, "client_loop: send disconnect: Broken pipe", "the connection was cut", False),
        (255, "", "the connection was cut", False),
        (255, "what is this\x1b[2J", "ssh failed (what is this\\x1b[2J)", False),
        (127, "sh: 1: mongosweep: not found", "mongosweep was not found there", True),
        (1, "/usr/bin/python3: No module named scanner", "mongosweep was not found there", True),
        (2, "Error: No such command 'fleet'.", "mongosweep was not found there", True),
        (-9, "", "ended by signal 9", False),
        (70, "a bug of ours", "mongosweep ended there with code 70 (a bug of ours)", False),
    ],
)
def test_what_a_failure_of_ssh_means(code: int, stderr: str, says: str, nothing_began: bool) -> None:
    meaning = meaning_of(code, stderr.splitlines(), Host("a", "a"))
    assert says in meaning.why
    assert meaning.nothing_began is nothing_began
    assert meaning.there is (code == 70)
