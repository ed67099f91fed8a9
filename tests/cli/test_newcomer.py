"""What somebody meets who tries the program for the first time, and the tests that keep each of it mended."""

from __future__ import annotations

import ast
from functools import cache
from typing import TYPE_CHECKING

import pytest

from scanner.cli import main
from tests.cli.programs import ROOT
from tests.support.two_runs import TwoRuns, new, old

if TYPE_CHECKING:
    from pathlib import Path

# what was met -> the tests of it, from the folder of tests on
MET = {
    "a live table over the lines of jq": [
        "cli/test_terminal.py::test_nothing_is_drawn_over_lines_that_may_come_to_the_same_terminal",
        "cli/test_terminal.py::test_a_file_takes_the_lines_and_leaves_the_terminal_to_the_live_view",
    ],
    "a canary of the configuration outside the targets": [
        "sweep/test_canary.py::test_a_canary_outside_the_targets_is_none_outside_the_scope",
        "sweep/test_canary.py::test_a_canary_outside_the_whole_scope_is_refused",
    ],
    "the SYN engine without its extra": [
        "network/syn/test_needs.py::test_without_the_extra_a_sweep_with_it_is_refused_in_one_line"
    ],
    "a demo beside something on MongoDB's port": [
        "cli/test_demo.py::test_takes_another_port_and_folder_where_its_own_are_taken"
    ],
    "runs that failed, listed with nothing open": [
        "cli/test_newcomer.py::test_of_a_run_that_failed_nothing_is_counted",
        "sweep/test_sweep_ends.py::test_a_disk_that_fails_at_the_very_end_makes_a_failed_run",
    ],
    "pages that nothing leads to": [
        "docs/test_links.py::test_every_page_is_led_to_from_the_index",
        "docs/test_links.py::test_the_readme_leads_to_the_index_and_the_tour",
        "package/test_wheel.py::test_it_is_typed_and_brings_its_pages",
        "cli/test_help.py::test_a_topic_is_the_page_itself",
    ],
    "a log that says nothing more at info": [
        "cli/test_leaving.py::test_without_a_terminal_each_line_has_its_time_and_a_pause_is_told_at_once",
        "sweep/test_narrate.py::test_each_change_is_told_once_and_with_its_cause",
        "sweep/test_narrate.py::test_nobody_who_listens_costs_nothing",
    ],
    "the head of a chain that a manifest names, called edited": [
        "results/test_audit.py::test_the_manifests_own_head_proves_the_lines_and_not_the_end",
        "results/test_audit.py::test_another_end_behind_the_head_that_was_kept_is_an_edit",
    ],
    "no word of whether the driver agrees": [
        "cli/test_screen.py::test_what_the_driver_said_is_told_where_it_was_asked",
        "results/test_table.py::test_whether_the_driver_agrees_stands_in_the_row_and_at_the_end",
    ],
    "rows that are unknown and do not say why": [
        "results/test_table.py::test_unknown_servers_say_what_the_verdict_rests_on",
    ],
    "nearly everything critical": [
        "sweep/test_score.py::test_no_level_holds_more_than_half_of_what_is_open_in_the_estate",
        "results/test_table.py::test_first_what_is_new_then_the_owners_then_the_rest",
    ],
    "a dumb terminal flooded with lines": [
        "cli/test_terminal.py::test_a_dumb_terminal_gets_the_plain_table",
        "cli/test_manners.py::test_colour_is_for_terminals_and_can_be_asked_for",
    ],
    "a clock one year back": [
        "setup/test_clock_check.py::test_every_command_refuses_a_clock_that_is_behind",
        "setup/test_clock_check.py::test_every_command_refuses_an_authorisation_that_has_expired",
    ],
    "doctor and sweep of two minds about room on the disk": [
        "setup/test_doctor.py::test_doctor_and_sweep_agree_on_how_much_room_is_enough"
    ],
    "a list on standard input without a dash": [
        "cli/test_bad_input.py::test_a_list_that_nobody_would_read",
        "cli/test_bad_input.py::test_a_list_in_a_pipe_that_nobody_would_read_is_said",
    ],
    "another package called scanner": [
        "package/test_installed.py::test_nothing_of_ours_is_beside_the_package",
        "package/test_installed.py::test_every_module_is_imported_by_its_installed_name",
        "package/test_installed.py::test_a_sweep_and_the_processes_beside_it",
    ],
    "a blackout waited for in silence": [
        "cli/test_leaving.py::test_without_a_terminal_each_line_has_its_time_and_a_pause_is_told_at_once",
        "cli/test_screen.py::test_a_pause_is_told_when_it_begins_and_ends",
        "sweep/test_plan.py::test_what_keeps_a_sweep_waiting_is_a_warning_beside_its_time",
        "sweep/test_duration.py::test_a_window_over_all_of_it_is_waited_for",
    ],
    "a route that is missing": [
        "netns/test_own_subnet.py::test_a_missing_route_is_named_at_once_and_silence_on_the_link_slows_nothing",
        "engine/test_pace.py::test_routers_that_refuse_slow_a_sweep_only_when_few_hosts_answer",
    ],
    "other outputs of nmap and masscan": [
        "targets/sources/test_text.py::test_grep_of_nmap",
        "targets/sources/test_text.py::test_grep_of_masscan",
        "cli/test_bad_input.py::test_a_bad_list_on_standard_input",
    ],
    "a mask for a length": ["targets/test_grammar.py::test_odd_notations_are_refused_with_a_remedy"],
    "our own lines, and those of httpx and Shodan, as a list": [
        "targets/sources/test_json.py::test_a_line_of_ours_names_its_target",
        "targets/sources/test_json.py::test_shodan_httpx_and_censys",
    ],
    "names that a list gives its hosts": ["cli/test_commands.py::test_the_names_of_a_list_are_in_the_record"],
    "a name of the hosts file": ["targets/test_names.py::test_the_hosts_file_comes_first"],
    "raw sockets that are not allowed": [
        "network/syn/test_stage.py::TestTheProcess::test_without_the_capability_it_says_how_to_grant_it",
        "setup/test_doctor.py::test_what_is_short_is_named_with_its_remedy",
    ],
    "a size that nobody knows": [
        "results/test_text.py::test_sizes_for_people",
        "results/test_table.py::test_whom_to_call_about_what",
    ],
    "why a sweep is not complete, and which cap decides": [
        "cli/test_screen.py::test_what_a_complete_sweep_adds_is_no_cause_of_it",
        "cli/test_screen.py::test_the_first_line_says_which_cap_decides",
        "sweep/test_judgement.py::test_only_a_run_that_left_something_out_was_interrupted",
        "sweep/test_plan.py::test_the_slowest_cap_decides",
    ],
    "a header left after Ctrl-C": ["cli/test_terminal.py::test_a_ctrl_c_leaves_nothing_of_the_live_view"],
    "words broken at 80 columns": [
        "cli/test_manners.py::test_no_word_is_broken_at_80_columns",
        "cli/test_manners.py::test_a_help_fits_80_columns_on_stdout_alone",
        "cli/test_listing.py::test_a_table_fits_its_terminal_and_leaves_nothing_out",
    ],
    "scan, lists of ports, and mongodb:// for a target": [
        "cli/test_help.py::test_scan_is_sweep",
        "targets/test_ports.py::test_what_is_refused",
        "cli/test_bad_input.py::test_a_uri_is_no_target",
    ],
}


@cache
def names_in(path: str) -> frozenset[str]:
    """The tests of a file, those in classes with the name of their class before them."""
    found = set()
    for node in ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{each.name}" for each in node.body if isinstance(each, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
    return frozenset(found)


@pytest.mark.parametrize("met", MET)
def test_what_a_newcomer_met_has_tests(met: str) -> None:
    assert MET[met]
    for name in MET[met]:
        path, _, test = name.partition("::")
        assert test in names_in(path), name
        assert test.rpartition("::")[2].startswith("test_")


def test_of_a_run_that_failed_nothing_is_counted(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Only its lines say what it found: 0 would be taken for an answer."""
    TwoRuns(here / "runs", new_state="failed").write([old("192.0.2.1")], [new("192.0.2.1")])
    assert main(["runs"]) == 0
    complete, failed = capsys.readouterr().out.splitlines()[1:3]
    assert " complete " in complete
    assert failed.split()[1] == "failed"
    assert "-" in failed.split()
    assert "0" not in failed.split()
