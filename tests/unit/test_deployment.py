"""What runs a distributed site elsewhere: the containers and the units of systemd, read as they are."""

import configparser
import itertools
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from console.signin import fits, stored_secret
from deploy import runtime
from deploy.cli.app import app
from deploy.prepare import prepare

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = YAML(typ="safe").load(ROOT / "deploy/compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
UNITS = sorted((ROOT / "deploy/systemd").glob("*.service"))
OURS = {"topics", "ingest", "worker", "worker-life", "contact", "console"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_the_least_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), "root"
    assert service["mem_limit"]
    assert service["pids_limit"]


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned_to_one_version(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:\d+\.\d+(\.\d+)?", SERVICES[name]["image"])


def test_the_image_of_our_own_is_pinned_too() -> None:
    froms = re.findall(r"^FROM (\S+)", (ROOT / "deploy/Containerfile").read_text(), re.MULTILINE)
    assert froms
    assert all(re.fullmatch(r"[\w./-]+:\d+\.\d+\.\d+[\w-]*", image) for image in froms)


def test_containers_and_bare_machines_run_the_same_kafka() -> None:
    found = re.search(r"kafka_2\.13</artifactId>\s*<version>([\d.]+)<", (ROOT / "deploy/kafka.xml").read_text())
    assert found
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{found[1]}"


def test_only_the_console_can_be_reached_and_only_from_this_machine() -> None:
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "console": ["127.0.0.1:8080:8080"]
    }
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert {name for name, service in SERVICES.items() if "outside" in service.get("networks", ())} == {
        "contact",
        "console",
    }


def test_no_secret_stands_in_a_file() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASS|TOKEN|SECRET", name) or value.startswith("/run/secrets/")
    assert re.findall(r"://\w+:(?!THE-SAME)[^@\s]+@", (ROOT / "deploy/compose.yaml").read_text()) == []
    assert [path.name for path in UNITS if "\nEnvironment=" in path.read_text()] == []


def test_secrets_are_files_and_each_service_sees_only_its_own() -> None:
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    seen = {name: set(service.get("secrets", ())) for name, service in SERVICES.items()}
    assert seen == {
        "mosquitto": {"mosquitto"},
        "kafka": set(),
        "prepare": set(),
        "postgres": {"postgres"},
        **{name: {"store", "mqtt", "provider"} for name in OURS},  # each reads the whole site file
    }


def test_a_service_starts_when_what_it_needs_is_healthy() -> None:
    for name in OURS:
        for needed, how in SERVICES[name]["depends_on"].items():
            if how["condition"] == "service_healthy":
                assert SERVICES[needed]["healthcheck"]["test"][0] == "CMD"
            else:
                assert (needed, how["condition"]) == ("topics", "service_completed_successfully")


def test_a_volume_and_a_configuration_that_are_used_are_there() -> None:
    named = {volume.partition(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}
    assert {name for name in named if name[0].isalpha()} == set(COMPOSE["volumes"])
    assert {one["source"] for service in SERVICES.values() for one in service.get("configs", ())} == set(
        COMPOSE["configs"]
    )


def unit(path: Path) -> configparser.SectionProxy:
    """Its section [Service]; of a setting that stands twice the last one."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser["Service"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_has_the_least_rights(path: Path) -> None:
    service = unit(path)
    assert service["User"] == "vorab"
    assert service["CapabilityBoundingSet"] == ""
    assert service["ProtectSystem"] == "strict"
    for name in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "RestrictNamespaces"):
        assert service[name] == "yes"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_is_always_started_again_unless_a_person_must_look(path: Path) -> None:
    service = unit(path)
    assert service["Restart"] == "always"
    assert service["RestartPreventExitStatus"] == "78"
    assert "StartLimitIntervalSec=0" in path.read_text(), "or it would give up after five ends in a row"


def test_the_target_starts_every_unit() -> None:
    wanted = (ROOT / "deploy/systemd/vorab.target").read_text()
    for path in UNITS:
        assert re.search(rf"Wants=.*\b{re.escape(path.stem)}\S*\.service", wanted)


def test_the_folder_of_the_desk_is_made_ready_once(tmp_path: Path) -> None:
    secret = prepare(tmp_path / "desk")
    assert secret
    assert fits(secret, stored_secret(tmp_path / "desk"))
    assert runtime.read(tmp_path / "desk").console_port == 8080
    assert prepare(tmp_path / "desk") is None, "the first one opens the desk as before"


def commands() -> list[tuple[str, list[str]]]:
    """What is run, and with which words after `vorab`."""
    contained = [(name, SERVICES[name]["command"]) for name in sorted(OURS)]
    started = [(path.name, shlex.split(unit(path)["ExecStart"])) for path in UNITS]
    return contained + [(name, words[words.index("vorab") + 1 :]) for name, words in started]


@pytest.mark.parametrize(("name", "words"), commands())
def test_the_command_that_it_runs_exists(name: str, words: list[str]) -> None:
    command = list(itertools.takewhile(str.isalpha, words))
    told = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert told.exit_code == 0, f"{name}: vorab {shlex.join(words)}"
    assert [word for word in words if word.startswith("--") and word not in told.output] == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not on this machine")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for path in (ROOT / "deploy/systemd").iterdir():
        text = path.read_text().replace("/opt/vorab/.venv/bin/python", "/bin/true")
        (tmp_path / path.name).write_text(text)
    argv = ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
