"""The one door refuses to open where another distribution claims one of our plainly named packages."""

import sys
from pathlib import Path

import pytest

from vorab.__main__ import PACKAGES, intruder


def package(folder: Path, name: str) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").touch()


def installed(folder: Path, distribution: str, *names: str) -> None:
    record = "".join(f"{name}/__init__.py,,\n" for name in names)
    info = folder / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "RECORD").write_text(record)


def test_all_names_are_ours() -> None:
    assert intruder() is None
    assert len(PACKAGES) == 7


def test_a_package_that_hides_ours_is_named_with_its_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package(tmp_path, "rulez")
    installed(tmp_path, "rule-engine", "rulez")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    problem = intruder(("rulez",))
    assert problem is not None
    assert "rule-engine 1.0 brings a package 'rulez'" in problem
    assert "hides ours" in problem


def test_files_put_into_our_package_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package(tmp_path, "rulez")
    installed(tmp_path, "vorab", "rulez")
    installed(tmp_path, "rule-engine", "rulez")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    problem = intruder(("rulez",), tmp_path.resolve())
    assert problem is not None
    assert "rule-engine 1.0 has put its files into our package 'rulez'" in problem


def test_a_missing_package_is_said(tmp_path: Path) -> None:
    problem = intruder(("no_such_package_of_ours",), tmp_path)
    assert problem is not None
    assert "is missing" in problem
