"""What YAML may bring along: each thing is a fault at its place, never an exception, a hang or an object."""

import os
import time
from pathlib import Path

import pytest

from deploy.site.document import MAX_BYTES, read


def faults(folder: Path, content: bytes) -> list[str]:
    (folder / "f.yaml").write_bytes(content)
    return [str(fault) for fault in read(folder, "f.yaml").faults]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "f.yaml:1:1: this file is empty"),
        (b"# only a comment\n", "f.yaml:1:1: this file is empty"),
        (b"a: 1\n\tb: 2\n", "f.yaml:2:1: a tab"),
        (b"a: x\x00y\n", "f.yaml:1:5: a character '\\x00'"),
        (b"a: 1\nb: caf\xe9\n", "f.yaml:2:7: not UTF-8"),
        (b"\xff\xfea\x00", "f.yaml:1:1: not UTF-8"),
        (b"a: 1\nb: 2\na: 3\n", "f.yaml:3:1: 'a' stands here twice, first in line 1"),
        (b"a: &x [1]\nb: *x\n", "f.yaml:1:4: no anchors and aliases"),
        (b"a: *nothing\n", "must stand in quotes"),
        (b"a: { type: * }\n", "must stand in quotes"),
        (b"base: { a: 1 }\nb: { <<: { a: 2 } }\n", "f.yaml:2:6: a key must be a plain text"),
        (b"a: !!python/object:os.system x\n", "f.yaml:1:4: no tags"),
        (b"a: !secret x\n", "f.yaml:1:4: no tags"),
        (b"%YAML 1.1\n---\na: NO\n", "no % directives"),
        (b"a: 1\n---\nb: 2\n", "only one document"),
        (b"a: b: c\n", "f.yaml:1:5: a colon where none may stand"),
        (b"a: [1, 2\n", "f.yaml:2:1: not YAML"),
        (b"? [1, 2]\n: 3\n", "f.yaml:1:3: a key must be a plain text"),
        (b"a: " + b"[" * 60 + b"]" * 60, "too deep"),
        (b"a: " + b"[" * 20_000 + b"]" * 20_000, "too deep"),
        (b"a: " + b"{a: " * 20_000, "too deep"),
        (b"- " * 20_000, "too deep"),
        (b"".join(b" " * i + b"a:\n" for i in range(300)), "too deep"),
        (b"a: '" + b"x" * MAX_BYTES + b"'", "a file may have"),
    ],
)
def test_what_does_not_belong_is_a_fault_at_its_place(tmp_path: Path, content: bytes, expected: str) -> None:
    assert any(expected in fault for fault in faults(tmp_path, content)), faults(tmp_path, content)


def test_a_yaml_bomb_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join(['*' + a] * 9)}]" for a, b in zip("abcdefghi", "bcdefghij", strict=True)]
    began = time.monotonic()
    found = faults(tmp_path, "\n".join(lines).encode())
    assert len(found) == 10
    assert time.monotonic() - began < 2


def test_ten_megabytes_are_not_read(tmp_path: Path) -> None:
    assert faults(tmp_path, b"a: 1\n" * 2_000_000) == [
        "f.yaml:1:1: 10,000,000 bytes; a file may have 1,000,000: list like sensors compactly"
    ]


def test_the_traps_of_older_yaml_are_texts(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(
        "a: NO\nb: 22:00\nc: 010\nd: on\ne: 1_000\nf: 0x1F\ng: 2026-01-01\nh: yes\ni: 1e3\n"
    )
    assert read(tmp_path, "f.yaml").data == {
        "a": "NO",
        "b": "22:00",
        "c": 10,
        "d": "on",
        "e": "1_000",
        "f": "0x1F",
        "g": "2026-01-01",
        "h": "yes",
        "i": 1000.0,
    }


def test_a_byte_order_mark_and_line_ends_of_windows_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read(tmp_path, "f.yaml").data == {"a": 1, "b": 2}


def test_what_is_not_a_file_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")  # to open it would wait for ever
    for name in ("folder", "loop", "pipe", "nothing"):
        (fault,) = read(tmp_path, f"{name}.yaml").faults
        assert "not a file" in fault.message or "missing" in fault.message or "cannot be read" in fault.message


def test_a_fault_stands_at_the_value_or_at_its_key(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text("a:\n  b: [x, y]\n")
    document = read(tmp_path, "f.yaml")
    document.fault(("a", "b", 1), "value")
    document.fault(("a", "b"), "key", key=True)
    document.fault(("a", "b", 7, "deeper"), "around")
    assert [str(fault) for fault in document.faults] == ["f.yaml:2:10: value", "f.yaml:2:3: key", "f.yaml:2:6: around"]
