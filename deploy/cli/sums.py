"""`vorab audit verify` and `vorab balance`: the two proofs that anybody may ask for at any time."""

import json
from pathlib import Path

from sqlalchemy import func, select

from deploy import balance as books
from deploy.cli.folders import distributed, existing, opened
from deploy.store.audit import verify as first_wrong
from deploy.store.tables import audit


def verify(site: Path, data: Path | None, as_json: bool) -> int:
    """Prints whether the chain of the audit holds; 1 if it does not.  Raises ConfigurationError."""
    with opened(site, data) as engine, engine.connect() as connection:
        wrong = first_wrong(connection)
        lines = connection.scalar(select(func.count()).select_from(audit)) or 0
    if as_json:
        print(json.dumps({"lines": lines, "first_wrong": wrong}))
    elif wrong is None:
        print(f"{lines:,} lines; every sealed one is as it was written")
    else:
        print(f"line {wrong} does not fit: it, or the one before it, was changed, added or removed")
    return int(wrong is not None)


def balance(site: Path, data: Path | None, as_json: bool) -> int:
    """Prints the sums of law 2; 1 if one does not close.  Raises ConfigurationError."""
    if known := distributed(site):
        with opened(site, data) as engine:
            found = books.of_store(engine, known)
    else:
        found = books.balance(existing(site, data, "capture.db"), existing(site, data, "contact.db"))
    for each in found.sums:
        if as_json:
            print(json.dumps({"of": each.of, "came": each.came, **each.parts, "missing": each.missing}))
        else:
            print(each)
    return int(bool(found.faults))
