"""The commands, their arguments and their help.  What one does is imported when it runs: `version` stays quick."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="vorab",
    help="Sensors speak, the right person is called, the customer is told before he complains.",
    epilog="Begin with: python -m vorab run deploy/sites/airport",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
quarantine = typer.Typer(no_args_is_help=True, help="Messages that could not be understood; kept with their bytes.")
audit = typer.Typer(no_args_is_help=True, help="The chained list of every change.")
kafka = typer.Typer(no_args_is_help=True, help="The log of a site on many machines.")
app.add_typer(quarantine, name="quarantine")
app.add_typer(audit, name="audit")
app.add_typer(kafka, name="kafka")

EXAMPLE = Path("deploy/sites/airport")

Site = Annotated[Path, typer.Argument(envvar="VORAB_SITE", help="The site folder.")]
SiteOption = Annotated[Path, typer.Option("--site", envvar="VORAB_SITE", help="The site folder.")]
Data = Annotated[
    Path | None, typer.Option("--data", envvar="VORAB_DATA", help="The data folder; else data/NAME-OF-THE-SITE.")
]
Json = Annotated[bool, typer.Option("--json", help="For programs: one JSON object a line.")]
At = Annotated[str, typer.Option("--at", help="When: 10:10, 2026-10-25 02:30, or with an offset; else now.")]


# --- the processes ----------------------------------------------------------------------------------------------------


@app.command(epilog="Example: python -m vorab run deploy/sites/airport")
def run(site: Site = EXAMPLE, data: Data = None) -> None:
    """Start a site, watch over its processes, and stop them with Ctrl-C."""
    from deploy.cli.folders import data_of
    from deploy.run import run as supervise

    raise typer.Exit(supervise(site, data_of(site, data)))


@app.command(hidden=True)
def capture(site: Site, data: Data = None) -> None:
    """Hear the sensors, keep what they say, find breaches; started by run."""
    from deploy.capture import main
    from deploy.cli.folders import supervised

    raise typer.Exit(supervised(main, site, data))


@app.command(hidden=True)
def worker(
    site: Site,
    data: Data = None,
    life_safety: Annotated[bool, typer.Option("--life-safety", help="The lane of life safety.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="On a bare loop instead of Faust.")] = False,
) -> None:
    """Find breaches in what stands in Kafka; started by run."""
    from deploy.cli.folders import installed, supervised

    installed()
    if plain:
        from deploy.plain import main
    else:
        from deploy.workers import main

    raise typer.Exit(supervised(main, site, data, life_safety=life_safety))


@app.command(hidden=True)
def ingest(
    site: Site,
    data: Data = None,
    broker: Annotated[
        str, typer.Option("--broker", help="The name of one broker of the site file; else its only one.")
    ] = "",
) -> None:
    """Hear the sensors of one broker, and bring what they say to Kafka; for a site on many machines."""
    from deploy.cli.folders import installed, supervised

    installed()
    from deploy.ingest import main_of

    raise typer.Exit(supervised(main_of(broker), site, data))


@app.command(hidden=True)
def contact(site: Site, data: Data = None) -> None:
    """Call people, and hear their answers; started by run."""
    from deploy.cli.folders import supervised
    from deploy.contact_host import main

    raise typer.Exit(supervised(main, site, data))


@app.command(hidden=True)
def console(site: Site, data: Data = None) -> None:
    """Serve the desk; started by run."""
    from deploy.cli.folders import supervised
    from deploy.console_host import main

    raise typer.Exit(supervised(main, site, data))


@app.command(hidden=True)
def media(site: Site, data: Data = None) -> None:
    """Carry speech between the desk and loudspeakers; started by run."""
    from deploy.cli.folders import supervised
    from deploy.media_host import main

    raise typer.Exit(supervised(main, site, data))


# --- before one starts ------------------------------------------------------------------------------------------------


@app.command(epilog="Exit code 1 if there is a fault.  Nothing is started and nothing is sent.")
def check(site: Site = EXAMPLE, as_json: Json = False) -> None:
    """Read a site folder and tell everything that is wrong, with file, line, column and the way out."""
    from deploy.cli.check import report

    raise typer.Exit(report(site, as_json))


@app.command(name="try", epilog="Exit code 1 if an example differs.")
def try_(site: Site = EXAMPLE, as_json: Json = False) -> None:
    """Play the examples that stand beside the rules."""
    from deploy.cli.examples import report

    raise typer.Exit(report(site, as_json))


@app.command(epilog='Example: python -m vorab who gate-b12-door --at "2026-10-25 03:00"')
def who(
    sensor: Annotated[str, typer.Argument(help="A sensor of the site.")],
    site: SiteOption = EXAMPLE,
    data: Data = None,
    at: At = "",
    as_json: Json = False,
) -> None:
    """Say who would be called for a sensor, in which order, and why; nobody is called."""
    from deploy.cli.who import report

    raise typer.Exit(report(sensor, site, data, at, as_json))


@kafka.command(name="init", epilog="Exit code 1 if something that is there already differs; it is left as it is.")
def kafka_init(site: SiteOption = EXAMPLE) -> None:
    """Make the topics and tables of a site with log: and store:, once, before it is started."""
    from deploy.cli.kafka import init

    raise typer.Exit(init(site))


# --- afterwards -------------------------------------------------------------------------------------------------------


@app.command(epilog='Example: python -m vorab why gate-b12-door --rule door-held-open --at "10:10"')
def why(
    sensor: Annotated[str, typer.Argument(help="A sensor of the site.")],
    rule: Annotated[str, typer.Option("--rule", help="One rule; else every rule that watches the sensor.")] = "",
    site: SiteOption = EXAMPLE,
    data: Data = None,
    at: At = "",
    as_json: Json = False,
) -> None:
    """Show what a sensor said around an instant, and why a rule found something, or nothing."""
    from deploy.cli.why import report

    raise typer.Exit(report(sensor, rule, site, data, at, as_json))


@app.command(epilog="Example: python -m vorab log --follow --sensor gate-b12-door")
def log(
    site: SiteOption = EXAMPLE,
    data: Data = None,
    sensor: Annotated[str, typer.Option("--sensor", help="Only this one; * stands for any letters.")] = "*",
    last: Annotated[int, typer.Option("--last", min=0, help="This many lines of what was.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show readings and breaches as they stand in the log."""
    from deploy.cli.log import report

    raise typer.Exit(report(site, data, sensor, last, follow, as_json))


@app.command(epilog="Example: python -m vorab replay --from 14:00 --dry-run")
def replay(
    since: Annotated[str, typer.Option("--from", help="Show what is found from then on: start, or as with --at.")],
    site: SiteOption = EXAMPLE,
    data: Data = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say that you know that nothing is written.")] = False,
    as_json: Json = False,
) -> None:
    """Lead the whole log through the rules once more, and show what they find; nothing is written."""
    from deploy.cli.replay import report

    raise typer.Exit(report(site, data, since, dry_run, as_json))


@quarantine.command(name="list")
def quarantine_list(site: SiteOption = EXAMPLE, data: Data = None, as_json: Json = False) -> None:
    """Show what could not be understood, and why."""
    from deploy.cli.quarantine import listed

    raise typer.Exit(listed(site, data, as_json))


@quarantine.command(name="again", epilog="Example: python -m vorab quarantine again 17 18")
def quarantine_again(
    numbers: Annotated[list[int] | None, typer.Argument(help="Numbers from the list; none: all.")] = None,
    site: SiteOption = EXAMPLE,
    data: Data = None,
) -> None:
    """Decode them again, once the cause is mended; what is understood now enters the log as history."""
    from deploy.cli.quarantine import again

    raise typer.Exit(again(site, data, numbers or []))


@app.command(epilog="Exit code 1 if nobody decides a partition: its checkpoint is older than 10 s.")
def lag(site: SiteOption = EXAMPLE, as_json: Json = False) -> None:
    """Show how far the workers of a site on Kafka are, partition by partition."""
    from deploy.cli.kafka import lag as report

    raise typer.Exit(report(site, as_json))


@audit.command(name="verify", epilog="Exit code 1 if a line was changed, added or removed.")
def audit_verify(site: SiteOption = EXAMPLE, data: Data = None, as_json: Json = False) -> None:
    """Recompute the chain of the audit, and name the first line that does not fit."""
    from deploy.cli.sums import verify

    raise typer.Exit(verify(site, data, as_json))


@app.command(epilog="Exit code 1 if a sum does not close.")
def balance(site: SiteOption = EXAMPLE, data: Data = None, as_json: Json = False) -> None:
    """Show that nothing was lost: what was received, found and sent, and what became of it."""
    from deploy.cli.sums import balance as report

    raise typer.Exit(report(site, data, as_json))


# --- of the program ---------------------------------------------------------------------------------------------------


@app.command()
def version(as_json: Json = False) -> None:
    """Name the version of Vorab and of Python."""
    import platform

    from vorab import __version__

    if as_json:
        typer.echo(f'{{"vorab":"{__version__}","python":"{platform.python_version()}"}}')
    else:
        typer.echo(f"vorab {__version__}, Python {platform.python_version()}")


@app.command(hidden=True)
def schemas() -> None:
    """Write the JSON Schemas of the site files, and docs/reference, from what they describe."""
    from deploy.cli.reference import write

    for path in write():
        typer.echo(path)
