"""What several benchmarks measure the same way: percentiles, and what one fsync costs in a folder."""

import os
import time
from collections.abc import Sequence
from pathlib import Path


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of them lies (nearest rank).  [1..100], 0.99 → 99."""
    ordered = sorted(values)
    return ordered[max(0, min(len(ordered) - 1, int(len(ordered) * share + 0.999999) - 1))]


def fsyncs(folder: Path, times: int = 300) -> list[float]:
    """Milliseconds of this many appends of 4 KiB with fdatasync, one after the other."""
    path = folder / "fsync.probe"
    took = []
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        for _ in range(times):
            os.write(file, bytes(4096))
            began = time.perf_counter()
            os.fdatasync(file)
            took.append((time.perf_counter() - began) * 1e3)
    finally:
        os.close(file)
        path.unlink()
    return took


def on_memory_disk(folder: Path) -> bool:
    """Whether this folder lies on tmpfs, where a durable commit costs nothing and proves nothing."""
    best = ("", "")
    for line in Path("/proc/mounts").read_text().splitlines():
        _device, mount, kind, *_rest = line.split()
        if str(folder.resolve()).startswith(mount) and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1] in ("tmpfs", "ramfs")


def table(title: str, rows: list[tuple[str, str, str]]) -> None:
    """Prints what, figure and goal (or baseline) in columns."""
    print(f"\n{title}")
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for what, figure, beside in rows:
        print(f"  {what:<{widths[0]}}  {figure:>{widths[1]}}  {beside}")
