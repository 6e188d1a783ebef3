"""Each law has tests named after it, and a patch that breaks it: if they pass under the patch, they prove nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATCHES = sorted((ROOT / "tests/laws/patches").glob("law_*.patch"))
LAWS = range(1, 11)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources as git knows them, in a folder of their own."""
    folder = tmp_path_factory.mktemp("copy")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout.split(b"\0")
    for name in filter(None, map(os.fsdecode, names)):
        target = folder / name
        if (ROOT / name).is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
    return folder


def law_tests(folder: Path, number: int) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", f"tests/laws/test_law_{number:02}.py"]
    environment = os.environ | {"PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


def test_every_law_has_a_patch() -> None:
    assert [patch.name[:6] for patch in PATCHES] == [f"law_{number:02}" for number in LAWS]


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.stem)
def test_a_broken_law_is_seen(patch: Path, copy: Path) -> None:
    apply = ["git", "apply", "--unsafe-paths", "--directory", str(copy), str(patch)]
    subprocess.run(apply, cwd=copy, check=True, capture_output=True)
    try:
        result = law_tests(copy, int(patch.name[4:6]))
        assert result.returncode == 1, f"under {patch.name} the law's tests still pass:\n{result.stdout[-2000:]}"
        assert "failed" in result.stdout
    finally:
        subprocess.run([*apply[:2], "--reverse", *apply[2:]], cwd=copy, check=True, capture_output=True)
