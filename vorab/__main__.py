"""`python -m vorab`: the one door.  It checks that our plainly named packages are ours, then hands over to the CLI."""

import re
import sys
from importlib import metadata, util
from pathlib import Path

PACKAGES = ("vorab", "ingest", "rules", "workflows", "notifiers", "console", "deploy")
ROOT = Path(__file__).resolve().parent.parent


def intruder(packages: tuple[str, ...] = PACKAGES, root: Path = ROOT) -> str | None:
    """Which package is not ours and whose it is, with the way out; None = all of them are ours."""
    others = _others(packages, root)
    for name in packages:
        where = _where(name)
        if where is None:
            return f"our package {name!r} is missing from {root}; install vorab again"
        if where.parent != root:
            other = _others((name,), where.parent).get(name, "something else")
            return f"{other} brings a package {name!r} ({where}) that hides ours; remove it from this environment"
        if name in others:
            return f"{others[name]} has put its files into our package {name!r} ({where}); remove it, reinstall vorab"
    return None


def _where(name: str) -> Path | None:
    spec = util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def _others(packages: tuple[str, ...], folder: Path) -> dict[str, str]:
    """Package → the distribution, not ours, that has installed it in this folder."""
    ours = re.compile(rf"^({'|'.join(packages)})/", re.MULTILINE)
    found: dict[str, str] = {}
    for distribution in metadata.distributions(path=[str(folder)]):
        if distribution.name != "vorab":
            names = set(ours.findall(distribution.read_text("RECORD") or ""))
            found |= dict.fromkeys(names, f"{distribution.name} {distribution.version}")
    return found


def main() -> int:
    if problem := intruder():
        print(f"vorab: {problem}", file=sys.stderr)  # noqa: T201 - nothing of ours may be imported yet
        return 2
    from deploy.cli import main as hand_over

    return hand_over()


if __name__ == "__main__":
    sys.exit(main())
