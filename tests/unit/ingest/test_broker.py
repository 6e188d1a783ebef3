"""The settings of the Mosquitto that is started for a site."""

import os
from pathlib import Path

import pytest

from deploy import broker


@pytest.mark.parametrize(("uid", "users"), [(0, ["user root"]), (4_000_000, [])])
def test_mosquitto_stays_who_started_it_also_where_that_account_has_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, users: list[str]
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("getuid", "geteuid"):
        monkeypatch.setattr(os, name, lambda: uid)
    lines = broker.settings(tmp_path, 1883).read_text().splitlines()
    assert [line for line in lines if line.startswith("user")] == users
    assert "max_queued_messages 0" in lines
