"""What is in `deploy/`, each by the program that will read it, and every command line in it by our own."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
import yaml
from cronsim import CronSim

from scanner.cli.group import root
from scanner.fleet.dask.demand import autoscaled
from scanner.service.web.api import health
from scanner.setup.config_file import read_config
from scanner.setup.listen import parse_listen, unprotected
from tests.deploy.places import DEPLOY, ROOT
from tests.support.receivers.installed import brought, installed

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "/opt/mongosweep/bin/mongosweep"
UNITS = sorted((DEPLOY / "systemd").iterdir())
MANIFESTS = sorted((DEPLOY / "kubernetes").iterdir())
CRON = DEPLOY / "cron" / "mongosweep"
DOCKERFILE = DEPLOY / "container" / "Dockerfile"
BY_PIP = "pip"
VARIABLES = {"POD_IP": "192.0.2.7", "DASK_WORKER_NAME": "mongosweep-default-worker-0"}
DASK = "kubernetes.dask.org/v1"


def unit_settings(path: Path) -> dict[str, list[str]]:
    """Every setting of a unit; a line that ends in a backslash goes on in the next."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().replace("\\\n", "").splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text()):
            yield f"{path.name} {document['kind']}", document


def pods() -> dict[str, dict[str, Any]]:
    found = {}
    for name, document in documents():
        if document["kind"] == "CronJob":
            found[name] = document["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        if document["kind"] == "Deployment":
            found[name] = document["spec"]["template"]["spec"]
        if document["kind"] == "DaskCluster":
            for part in ("scheduler", "worker"):
                found[f"{name} {part}"] = document["spec"][part]["spec"]
    return found


def cron_fields() -> tuple[list[str], str, list[str]]:
    """When, by whom, and what the one line of the crontab runs."""
    lines = [line for line in CRON.read_text().splitlines() if line and line[0] in "0123456789*"]
    (line,) = lines
    *when, user, command = line.split(None, 6)
    return when, user, shlex.split(command)


def command_lines() -> dict[str, list[str]]:
    """The words after the program, of everything that runs it."""
    found = {}
    for path in UNITS:
        for line in unit_settings(path).get("ExecStart", []):
            words = shlex.split(line)
            assert words[0] == PROGRAM
            found[path.name] = words[1:]
    words = cron_fields()[2]
    assert words[:3] == ["flock", "-n", "/var/lib/mongosweep/cron.lock"]
    assert words[3] == PROGRAM
    found["cron"] = words[4 : words.index(">")]
    for name, pod in pods().items():
        given = pod["containers"][0]["args"]
        found[name] = [re.sub(r"\$\((\w+)\)", lambda named: VARIABLES[named[1]], word) for word in given]
    return found


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """Every setting and path in them, with a program in place of one that is installed."""
    analyze = installed("systemd-analyze", "systemd")
    copies = []
    for unit in UNITS:
        copy = tmp_path / unit.name
        copy.write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
        copies.append(copy)
    told = subprocess.run([analyze, "verify", *copies], capture_output=True, text=True, check=False)
    assert (told.stdout + told.stderr, told.returncode) == ("", 0)


@pytest.mark.parametrize("unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda u: u.stem)
def test_systemd_finds_little_that_a_unit_may_do(unit: Path) -> None:
    """By its own scale from 0 to 10; above 2.0 something was opened."""
    analyze = installed("systemd-analyze", "systemd")
    told = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-600:]
    assert unit_settings(unit)["CapabilityBoundingSet"] == [""]
    assert unit_settings(unit)["AmbientCapabilities"] == [""]


def test_a_sweep_that_found_something_is_no_failed_unit() -> None:
    """And one that is not complete is."""
    assert unit_settings(DEPLOY / "systemd" / "mongosweep-sweep.service")["SuccessExitStatus"] == ["1"]


def test_kubernetes_takes_the_manifests(tmp_path: Path) -> None:
    """By the schemas of Kubernetes' own API; a field that is misspelt is none. Of a resource of Dask's
    operator, by those of what the operator makes of it."""
    validate = brought("deploy/bin/kubernetes-validate", BY_PIP)
    made = [each for _, document in documents() for each in as_made(document)]
    files = [tmp_path / f"{number}.yaml" for number in range(len(made))]
    for file, document in zip(files, made, strict=True):
        file.write_text(yaml.safe_dump(document))
    told = subprocess.run([validate, "--strict", *files], capture_output=True, text=True, check=False)
    said = told.stdout + told.stderr
    assert told.returncode == 0, said
    assert said.count(" passed for resource ") == len(made)


def as_made(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What of a document Kubernetes itself gets to see: of a DaskCluster two Deployments and a Service, as
    `dask_kubernetes/operator/controller/controller.py` puts them together; of other resources themselves."""
    if document["apiVersion"] != DASK:
        yield document
    if document["kind"] != "DaskCluster":
        return
    cluster, spec = document["metadata"]["name"], document["spec"]
    for part in ("scheduler", "worker"):
        labels = {"dask.org/cluster-name": cluster, "dask.org/component": part}
        metadata = {"name": f"{cluster}-{part}", "labels": labels}
        template = {"metadata": metadata, "spec": spec[part]["spec"]}
        of_it = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
        yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": of_it}
    metadata = {"name": f"{cluster}-scheduler"}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec["scheduler"]["service"]}


def test_dasks_operator_takes_its_resources() -> None:
    """By the fields that its definitions have (`dask_kubernetes/operator/customresources`), since Kubernetes
    drops what they do not name; and it finds the ports that it asks at by their names."""
    fields = {
        "DaskCluster": {"scheduler": {"spec", "service"}, "worker": {"replicas", "spec"}},
        "DaskAutoscaler": {"cluster": str, "minimum": int, "maximum": int},
    }
    cluster, autoscaler = (document for _, document in documents() if document["apiVersion"] == DASK)
    assert (cluster["kind"], autoscaler["kind"]) == tuple(fields)
    spec = cluster["spec"]
    assert {name: set(part) for name, part in spec.items()} == fields["DaskCluster"]
    assert {name: type(value) for name, value in autoscaler["spec"].items()} == fields["DaskAutoscaler"]
    assert autoscaler["spec"]["cluster"] == cluster["metadata"]["name"]
    service = spec["scheduler"]["service"]
    labels = {"dask.org/cluster-name": cluster["metadata"]["name"], "dask.org/component": "scheduler"}
    assert service["selector"] == labels
    ports = {each["name"]: each["port"] for each in service["ports"]}
    assert ports == {"tcp-comm": 8786, "http-dashboard": 8787}


def test_a_fleet_in_kubernetes_fits_together() -> None:
    """Ports, names and paths that its parts have of each other."""
    found = dict(documents())
    spec = found["fleet.yaml DaskCluster"]["spec"]
    containers = {part: spec[part]["spec"]["containers"][0] for part in ("scheduler", "worker")}
    options = {
        part: dict(word.split("=", 1) for word in container["args"] if word.startswith("--"))
        for part, container in containers.items()
    }
    opened = {each["name"]: each["containerPort"] for part in containers.values() for each in part["ports"]}
    assert options["scheduler"]["--listen"] == f"0.0.0.0:{opened['tcp-comm']}"
    asked = autoscaled(options["scheduler"]["--autoscale"])
    assert (asked.site, asked.listen.port) == (options["worker"]["--site"], opened["http-dashboard"])
    assert options["worker"]["--listen"] == f"$(POD_IP):{opened['results']}"
    settings = tomllib.loads(found["fleet.yaml ConfigMap"]["data"]["mongosweep.toml"])
    service = f"{found['fleet.yaml DaskCluster']['metadata']['name']}-scheduler"
    assert settings["fleet"]["scheduler"] == f"tls://{service}:{opened['tcp-comm']}"
    assert {each["site"] for each in settings["allow"]} == {asked.site}
    for container in containers.values():
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        assert mounts["certificates"] == settings["fleet"]["certificates"]
    policies = [document for _, document in documents() if document["kind"] == "NetworkPolicy"]
    guarded = {
        port["port"] for each in policies for rule in each["spec"]["ingress"] for port in rule["ports"]
    }
    assert guarded == set(opened)


@pytest.mark.parametrize("name", pods())
def test_a_pod_may_nothing_that_a_sweep_does_not_need(name: str) -> None:
    """As the restricted standard of Kubernetes' pod security wants it, with all that it mounts there."""
    pod = pods()[name]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not pod["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["name"] for mount in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}


def test_claims_and_configurations_that_pods_mount_are_there() -> None:
    made = {(document["kind"], document["metadata"]["name"]) for _, document in documents()}
    for pod in pods().values():
        for volume in pod["volumes"]:
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in made
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in made


def test_configurations_in_manifests_are_read(tmp_path: Path) -> None:
    """And a page that listens on more than loopback there has a certificate where it is mounted."""
    seen = 0
    for _, document in documents():
        if document["kind"] != "ConfigMap":
            continue
        path = tmp_path / "mongosweep.toml"
        path.write_text(document["data"]["mongosweep.toml"])
        settings = read_config(path).settings
        assert tomllib.loads(path.read_text())["allow"]
        if settings.schedule:
            seen += 1
            pod = pods()["service.yaml Deployment"]
            mounts = [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]]
            assert str(Path(settings.service.certificate).parent) in mounts
            assert str(Path(settings.service.key).parent) in mounts
            assert not unprotected(parse_listen(settings.service.listen), settings.service)
            for probe in ("livenessProbe", "readinessProbe"):
                (header,) = pod["containers"][0][probe]["httpGet"]["httpHeaders"]
                assert header == {"name": "Host", "value": settings.service.names[0]}
    assert seen == 1


def test_probes_ask_for_what_the_page_answers() -> None:
    known = {route.path for route in health.routes()}
    container = pods()["service.yaml Deployment"]["containers"][0]
    assert {container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")} == known


def test_the_crontab_is_one_that_cron_takes() -> None:
    """Five fields, a user and a command, without the sign that cron takes for the end of a line."""
    when, user, words = cron_fields()
    assert next(CronSim(" ".join(when), datetime(2026, 3, 1, tzinfo=UTC))).hour == 2
    assert user == "mongosweep"
    assert words[-2:] == [">", "/dev/null"]
    assert "%" not in CRON.read_text()
    assert CRON.read_text().endswith("\n")


@pytest.mark.parametrize("place", command_lines())
def test_every_command_line_is_one_that_we_take(place: str) -> None:
    """Its options exist, and their values are of their kind; nothing is run."""
    name, *words = command_lines()[place]
    with root.make_context("mongosweep", [name, *words]) as context:
        command = root.get_command(context, name)
        assert command is not None, name
        while isinstance(command, click.Group):
            name, *words = words
            command = command.get_command(context, name)
            assert command is not None, name
        with command.make_context(name, words, parent=context):
            pass


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = brought("deploy/bin/hadolint", BY_PIP)
    told = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert (told.stdout + told.stderr, told.returncode) == ("", 0)


def test_the_image_is_made_of_files_that_are_there() -> None:
    """All that a wheel is built from, by the locked versions."""
    copied = {
        word
        for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
        for word in line.split()
    }
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["path"]
    needed = {
        *("mongosweep", "results", "scanner", "targets", "docs", "requirements.lock", "pyproject.toml"),
        *(str(Path(hook).parent), project["project"]["readme"], *project["project"]["license-files"]),
    }
    assert needed <= copied
    assert all((ROOT / name).exists() for name in copied)
    assert "--require-hashes" in DOCKERFILE.read_text()
    let_in = Path(f"{DOCKERFILE}.dockerignore").read_text().split("\n!")[1:]
    assert {line.split("\n")[0] for line in let_in} == copied


def test_the_image_runs_as_no_user_of_the_host_and_says_whether_it_is_well() -> None:
    *_, last = DOCKERFILE.read_text().split("\nFROM ")
    words = [line.split(" ", 1)[0] for line in last.splitlines()]
    assert words.index("USER") > max(n for n, word in enumerate(words) if word in ("RUN", "COPY"))
    assert "USER 65532:65532" in last
    assert 'CMD ["python", "/opt/mongosweep/healthcheck.py"]' in last
