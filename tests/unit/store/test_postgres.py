"""What is said of PostgreSQL when it does not answer, and what never is."""

import logging
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import ProgramLimitExceeded
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError, OperationalError

from console.words import Words
from deploy.console_host import StoreReader
from deploy.postgres import address
from deploy.store.postgres import is_away, patiently
from deploy.store.store import open_store
from tests.small_site import rung, small_site
from vorab.errors import ConfigurationError, TemporaryFailure
from workflows.directory.stub import SiteDirectory

URL = "postgresql://vorab:s3cr3t@db.example:5433/vorab"


def away(cause: str = "connection refused") -> OperationalError:
    return OperationalError("SELECT 1", None, ConnectionError(cause))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, "db.example:5433/vorab"),
        ("postgresql://vorab:s3cr3t@db.example/vorab", "db.example:5432/vorab"),
        ("postgresql://one.example,two.example/vorab?connect_timeout=3", "one.example:5432,two.example:5432/vorab"),
        ("postgresql:///vorab", "localhost:5432/vorab"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert address(url) == shown


@pytest.mark.parametrize(
    "url", ["postgresql://vorab:s3cr3t%zz@db/vorab", "postgresql://vorab:s3cr3t@db/v?x=y", "s3cr3t"]
)
def test_what_is_no_address_is_named_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="store: that is no address of a database") as raised:
        open_store(url)
    assert "s3cr3t" not in str(raised.value)


def test_a_store_that_is_away_is_told_with_its_address_and_the_cause(caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> None:
        raise away("connection refused\n\tIs the server running?")

    assert patiently(fails, URL, lambda: True) is None
    assert caplog.messages == [
        "the store db.example:5433/vorab does not answer, and is tried again: connection refused Is the server running?"
    ]


def test_it_is_tried_until_it_answers_and_told_once_for_each_cause(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.store.postgres.BACK_OFF_S", (0.0,))
    causes = ["refused", "refused", "starting up", "starting up"]

    def answers_at_last() -> str:
        if causes:
            raise away(causes.pop(0))
        return "here"

    with caplog.at_level(logging.INFO):
        assert patiently(answers_at_last, URL) == "here"
    assert [line.rpartition(": ")[2] for line in caplog.messages[:-1]] == ["refused", "starting up"]
    assert caplog.messages[-1] == "the store db.example:5433/vorab answers again"


def test_who_asks_the_console_is_not_told_where_the_store_is() -> None:
    def refuses() -> object:
        raise psycopg.OperationalError('server at "10.0.0.5" failed: no password for user "vorab"')

    site = small_site([rung(1)])
    directory = SiteDirectory(site)
    with pytest.raises(TemporaryFailure) as raised:
        StoreReader(create_engine("postgresql+psycopg://", creator=refuses), directory).position()
    assert str(raised.value) == "the store does not answer"
    assert Words("de", site, directory).phrase(str(raised.value)) == "der Speicher antwortet nicht"


def test_what_is_wrong_with_a_statement_or_with_a_file_is_not_tried_again() -> None:
    wrong = IntegrityError("INSERT", None, ValueError("no"))
    too_long = OperationalError("INSERT", None, ProgramLimitExceeded("index row size 6024 exceeds 2704"))
    assert (is_away(away()), is_away(wrong), is_away(too_long), is_away(ValueError("cat"))) == (True, *[False] * 3)

    def fails() -> None:
        raise wrong

    def is_locked() -> None:
        raise away("database is locked")

    with pytest.raises(IntegrityError):
        patiently(fails, URL)
    with pytest.raises(OperationalError):
        patiently(is_locked, Path("contact.db"))
