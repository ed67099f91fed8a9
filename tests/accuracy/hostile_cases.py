"""Which simulated server stands for which hostile case that a reader of the protocol must survive.

Names are those of the lab (`mongosweep lab --list`); a name that ends in `*` stands for all that begin so.
"""

from __future__ import annotations

ON_THE_WIRE: dict[str, tuple[str, ...]] = {
    "accepts and sends nothing": ("mute", "silent", "never_accepts"),
    "one byte every few seconds": ("drip_list", "tarpit", "tls_drip"),
    "closes after no byte": ("closing", "full", "fin_at_0"),
    "reset in the middle of a reply": ("reset_at_17", "reset_at_40", "reset_first"),
    "messageLength below 16": ("length_zero", "length_15", "length_negative", "length_minimum"),
    "messageLength above every cap": ("length_maximum", "length_48000001", "list_length_maximum"),
    "fewer bytes than promised": ("unfinished_reply", "stall_after_header", "fin_at_17"),
    "a reply that nobody asked for": ("unasked_reply", "endless_replies"),
    "responseTo of another request": ("response_to_next", "response_to_zero", "response_to_minus_one"),
    "opcodes that are no reply, and an echo": (
        *("opcode_2001", "opcode_2004", "opcode_2010", "opcode_9999"),
        *("echo", "preemptive_echo"),
    ),
    "OP_COMPRESSED": ("compressed_noop", "compressed_bomb"),
    "an answer in the other form": ("other_kind",),
    "moreToCome": ("more_to_come", "more_without_end"),
    "checksumPresent": ("checksum", "checksum_lie"),
    "unknown flags, required and optional": ("flag_required", "flag_optional"),
    "sections": ("section_*",),
    "numberReturned, startingFrom, cursorID": (
        *("returned_zero", "returned_two", "returned_negative", "returned_maximum"),
        *("two_documents", "starting_from", "cursor_of_command"),
    ),
    "QueryFailure and CursorNotFound": ("query_failure", "cursor_not_found"),
    "a reply before the request": ("preemptive", "ssh", "mysql"),
    "each byte alone": ("bytes_alone",),
    "never reads": ("zero_window",),
    "resets every connection": ("reset_at_once",),
    "banners of other services": ("http", "ssh", "redis", "mysql"),
    "random bytes": ("noise",),
    "an endless reply at full speed": ("endless_reply", "endless_list"),
    "48 MB": ("list_48mb", "hello_48mb", "collections_48mb"),
}
DOCUMENTS: dict[str, tuple[str, ...]] = {
    "lengths of documents": ("bson_length_*", "bson_no_end", "bson_truncated_element"),
    "lengths of what is embedded": ("bson_array_*", "bson_child_negative", "bson_binary_*"),
    "strings and keys without an end": ("bson_string_*", "bson_key_no_nul", "bson_nul_in_name"),
    "names that are no UTF-8": ("bson_not_utf8",),
    "dates out of range": ("bson_far_dates", "clock", "far_ids"),
    "fields that stand twice": ("bson_twice_*",),
    "nesting": ("bson_deep_*",),
    "a million elements": ("bson_million_*", "bson_long_key"),
    "types old and unknown": ("bson_old_types", "bson_scope_and_pointer", "bson_type_*", "bson_regex"),
    "ok that is none": ("ok_*", "bson_decimal_ok"),
    "lists that are none": ("list_absent", "list_document", "list_string", "list_n*", "list_empty"),
    "contradictions": ("ok_zero_with_list", "code_with_list"),
    "a million names, names of 1 MiB": ("million_names", "long_names", "bson_keys_of_array"),
    "names made for terminals, spreadsheets, browsers, paths": ("injection_names",),
    "sizes and counts that are none": ("odd_sizes", "odd_counts"),
    "words that mean something else": ("wrong_database_13", "localhost_words", "code_as_string"),
    "errors without sense, or of 900 KiB": ("no_words", "huge_code", "long_error"),
    "repeats what it hears": ("mirror", "look_alike", "honeypot"),
}
CLAIMS: dict[str, tuple[str, ...]] = {
    "a hello that names hosts elsewhere": ("other_hosts",),
    "limits of 0 and below": ("odd_limits", "odd_set", "compression"),
    "wire versions that are none": ("wire_*", "minimum_wire", "bare_hello"),
    "cursors without end": ("endless_cursor", "empty_batches", "million_collections"),
    "a cursor of another database": ("foreign_cursor", "odd_cursor"),
    "every statistic refused": ("denied_inside",),
    "another server on each connection": ("alternating", "alternating_locked"),
    "times in 1970, in 2106 and never": ("written_*", "process_id", "cluster_time"),
}
INSIDE_TLS: dict[str, tuple[str, ...]] = {
    "certificates of thousands of names, weak, expired, odd": (
        *("tls_many_names", "tls_20000_names", "tls_weak", "tls_odd_names", "tls_expired"),
    ),
    "handshakes that stall or break": (
        "tls_stall",
        "tls_half",
        "tls_garbage",
        "tls_alert",
        "tls_huge_message",
    ),
    "floods of records after the handshake": ("tls_tickets", "tls_endless"),
    "another protocol inside, and instead": ("tls_http_inside", "tls_plain_answer"),
    "a client certificate wanted": ("tls_client_certificate", "tls_optional_certificate"),
    "silence or an end inside": ("tls_silent_inside", "tls_close"),
    "old versions alone": ("tls_legacy",),
}
CASES = {**ON_THE_WIRE, **DOCUMENTS, **CLAIMS, **INSIDE_TLS}
ELSEWHERE = {
    "another answer at the second sweep": "tests/results/diff/test_runs.py",
    "a prefix in which everything accepts and nothing speaks":
    "tests/sweep/test_sweep.py::test_everything_that_accepts_and_says_nothing_is_one_middlebox",
    "a connection to oneself": "tests/network/connect/test_connector.py",
}  # fmt: skip


def named(names: tuple[str, ...], known: set[str]) -> set[str]:
    """The servers of a case; a pattern gives all that begin so. Raises `LookupError` for one that is not."""
    found: set[str] = set()
    for name in names:
        matching = {
            each for each in known if each == name or (name[-1] == "*" and each.startswith(name[:-1]))
        }
        if not matching:
            raise LookupError(f"no simulated server is called {name}")
        found |= matching
    return found
