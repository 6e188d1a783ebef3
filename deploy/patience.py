"""Whoever needs another server at his start asks until it answers."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from vorab.errors import TemporaryFailure

BACK_OFF_S = (0.5, 1.0, 2.0, 5.0)

T = TypeVar("T")


def answered(ask: Callable[[], T], log: logging.Logger, stopped: Callable[[], bool] = lambda: False) -> T | None:
    """What it gives, asked again after each TemporaryFailure, which is told once; None = we were told to stop."""
    told, tries = "", 0
    while not stopped():
        try:
            return ask()
        except TemporaryFailure as error:
            if str(error) != told:
                told = str(error)
                log.error("%s; trying again", told)
        again_at = time.monotonic() + BACK_OFF_S[min(tries, len(BACK_OFF_S) - 1)]
        while time.monotonic() < again_at and not stopped():
            time.sleep(0.05)
        tries += 1
    return None
