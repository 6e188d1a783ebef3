"""The folder of contact and console where no `vorab run` makes it ready: `python -m deploy.prepare FOLDER`, once."""

import sys
from pathlib import Path

from console.signin import first_secret
from deploy import runtime
from deploy.run import out


def prepare(data: Path) -> str | None:
    """The folder is ready for both.  The operator's secret, where it had none yet; it is kept nowhere."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    runtime.write(data, runtime.Runtime())
    return first_secret(data)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m deploy.prepare FOLDER")
    secret = prepare(Path(sys.argv[1]))
    out.print(f"log in: operator / {secret}   (shown only this once)" if secret else "it has a secret already")
