"""What clouds, clusters and Terraform list: golden files of every form, and what of them must not be claimed.

The lists of AWS were made by moto 5.2 and completed by hand; the others follow the documented shapes that the
readers name. Beside each list stands a file of the claims that it makes.
"""

from __future__ import annotations

import io
import json
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.errors import ScopeError
from targets.sources.read import read_claims
from tests.support.golden import GOLDEN, expected_lines, golden_lines
from tests.support.lists import claims

FORMATS = {
    "aws-byoip.json": "AWS prefixes of our own",
    "aws-addresses.json": "AWS elastic addresses",
    "aws-instances.json": "AWS instances",
    "aws-interfaces.json": "AWS network interfaces",
    "aws-subnets.json": "AWS subnets",
    "aws-vpcs.json": "AWS VPCs",
    "azure-graph.json": "Azure resources",
    "azure-lists.json": "Azure resources",
    "azure-vm-list-ip-addresses.json": "Azure resources",
    "gcp-aggregated.json": "Google Cloud aggregated list",
    "gcp-lists.json": "Google Cloud resources",
    "kubernetes-api.json": "Kubernetes objects v1",
    "kubernetes-get.json": "Kubernetes objects v1",
    "terraform-output.json": "Terraform outputs",
    "terraform-show.json": "Terraform state 1.9.5",
    "terraform.tfstate.json": "Terraform state file 1.9.5",
}
FILES = tuple(FORMATS)


@pytest.mark.parametrize("name", FILES)
def test_golden(name: str) -> None:
    expected = expected_lines(name)
    assert golden_lines(name) == expected
    assert expected[0] == FORMATS[name]


@pytest.mark.parametrize("name", FILES)
def test_no_secret_of_an_inventory_is_claimed(name: str) -> None:
    assert "hunter2" not in "".join(golden_lines(name))


def test_what_is_gone_is_not_claimed() -> None:
    """A terminated instance, a pod that has ended, another's data source, a sensitive output."""
    every = "".join(line for name in FILES for line in golden_lines(name))
    for address in ("10.30.1.5 ", "10.244.1.8 ", "192.0.2.200 ", "10.9.9.9 ", "10.77.0.0/16", "192.0.2.99"):
        assert address not in every


def test_pages_of_a_list_behind_each_other() -> None:
    page = (GOLDEN / "aws-addresses.json").read_text()
    assert claims(page + page) == [("203.0.113.20", None), ("203.0.113.21", None)] * 2


def test_records_without_their_document() -> None:
    """As `--query` and `jq .[]` leave them."""
    document = json.loads((GOLDEN / "aws-interfaces.json").read_text())
    alone = claims("\n".join(map(json.dumps, document["NetworkInterfaces"])))
    assert alone == claims(json.dumps(document))
    instances = json.loads((GOLDEN / "aws-instances.json").read_text())["Reservations"][0]["Instances"]
    assert claims(json.dumps([[instances]])) == [("10.30.1.4", None)]


def test_a_record_that_cannot_be_used_costs_no_other() -> None:
    document = json.loads((GOLDEN / "aws-addresses.json").read_text())
    document["Addresses"].insert(0, {"PublicIp": "203.0.113.999", "Domain": "vpc"})
    document["Addresses"].insert(1, {"PublicIp": ["203.0.113.1"], "Domain": "vpc"})
    warnings: list[str] = []
    assert claims(json.dumps(document, indent=1), warnings) == [
        ("203.0.113.20", None),
        ("203.0.113.21", None),
    ]
    assert [warning.split(": ")[0] for warning in warnings] == ["in:3", "in:7"]


ODD: list[Any] = [
    None,
    5,
    -1.5,
    True,
    "",
    "x",
    "10.0.0.1",
    [],
    {},
    [[]],
    [{}],
    [5],
    {"a": {}},
    [None, "10.0.0.1"],
]


def _replaced(value: Any, draw: st.DrawFn, chance: int) -> Any:
    """The same JSON with odd values here and there."""
    if draw(st.integers(0, chance)) == 0:
        return draw(st.sampled_from(ODD))
    if isinstance(value, dict):
        return {key: _replaced(each, draw, chance) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, draw, chance) for each in value]
    return value


@given(st.sampled_from(FILES), st.data())
def test_no_odd_value_is_more_than_a_record_left_out(name: str, data: st.DataObject) -> None:
    document = json.loads((GOLDEN / name).read_text())
    odd = data.draw(st.composite(lambda draw: _replaced(document, draw, 15))())
    warnings: list[str] = []
    raw = io.BytesIO(json.dumps(odd).encode())
    with suppress(ScopeError):
        for claim in read_claims(raw, "in", warnings.append):
            assert claim.span.size


def test_interfaces_stream() -> None:
    """The list of a large organisation costs a buffer."""
    record = json.loads((GOLDEN / "aws-interfaces.json").read_text())["NetworkInterfaces"][0]
    one = json.dumps(record, indent=4).encode()
    raw = b'{"NetworkInterfaces": [' + b",".join([one] * 3000) + b"]}"
    tracemalloc.start()
    count = sum(1 for _ in read_claims(io.BytesIO(raw), "in", lambda text: None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 3000 * 4
    assert peak < len(raw) / 4
