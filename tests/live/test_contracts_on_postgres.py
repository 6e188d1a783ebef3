"""The contract of the store and every scenario once more: on PostgreSQL, as on many machines."""

import os
import subprocess
import sys

import pytest

from tests.airport import ROOT

pytestmark = pytest.mark.live


def test_what_holds_on_sqlite_holds_on_postgresql(store_url: str) -> None:
    argv = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-k", "postgresql", "tests/contract", "tests/scenario"]
    environment = os.environ | {"VORAB_TEST_STORE": store_url}
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(done.stdout.rpartition(" passed")[0].split()[-1])
    assert passed > 120, "and they were run"
