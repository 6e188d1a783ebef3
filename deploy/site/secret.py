"""Where secrets are: `env:NAME` or `file:PATH` (relative to the site folder), never in a file of the site itself."""

import os
import re
from pathlib import Path

from deploy.site.document import Document, Path_

REFERENCE = re.compile(r"(env|file):(.+)")


def secret(folder: Path, document: Document, path: Path_, value: str, demo: bool) -> str:
    """What stands there; "" where that is nothing, with a fault.  A demo has none and needs none."""
    if not value:
        return ""
    found = REFERENCE.fullmatch(value)
    if found is None:
        document.fault(path, "a secret in the file: write env:NAME or file:PATH, and put the secret there")
        return ""
    kind, name = found.groups()
    try:
        return os.environ[name] if kind == "env" else (folder / name).read_text("utf-8").strip()
    except KeyError:
        problem = f"the environment has no {name}: set it, or write file:PATH"
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{name} cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})"
    if not demo:
        document.fault(path, problem)
    return ""
