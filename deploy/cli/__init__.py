"""What one types: `python -m vorab COMMAND`.  The commands stand in `app`; each imports what it needs when it runs."""

import os
import sys


def main() -> int:
    """Runs one command and gives its exit code: 0 well, 1 something was found, 2 the user must mend something."""
    from deploy.cli.app import app
    from vorab.errors import ConfigurationError, VorabError

    try:
        code = app(standalone_mode=True)
    except ConfigurationError as error:
        print(f"vorab: {error}", file=sys.stderr)
        return 2
    except VorabError as error:
        print(f"vorab: {error}", file=sys.stderr)
        return 78
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return 141
    return int(code or 0)
