from pathlib import Path

import pytest

from deploy.cli import reference
from deploy.site import schemas

SITES = sorted(Path(schemas.__file__).parents[1].glob("sites/*"))


@pytest.mark.parametrize("name", schemas.schemas())
def test_the_schemas_are_up_to_date(name: str) -> None:
    assert (schemas.FOLDER / name).read_text("utf-8") == schemas.schemas()[name], "run: python -m vorab schemas"


@pytest.mark.parametrize("name", reference.pages())
def test_the_pages_of_the_reference_are_up_to_date(name: str) -> None:
    assert (reference.FOLDER / name).read_text("utf-8") == reference.pages()[name], "run: python -m vorab schemas"


def test_every_field_command_channel_and_sensor_type_has_its_paragraph() -> None:
    pages = reference.pages()
    for field in ("time_zone", "on_foot", "life_safety_limits", "clear_for", "customer_of", "ladder", "given"):
        assert f"`{field}`" in pages["site-folder.md"]
    assert "\n## sms\n" in pages["channels.md"]
    assert "`auth_token`" in pages["channels.md"]
    assert "\n## zigbee2mqtt\n" in pages["sensor-types.md"]
    assert "\n## quarantine again\n" in pages["commands.md"]


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_every_file_of_a_site_names_its_schema_in_its_first_line(site: Path) -> None:
    for file in site.rglob("*.yaml"):
        first = file.read_text("utf-8").splitlines()[0]
        start, _, schema = first.partition("$schema=")
        assert start == "# yaml-language-server: "
        kind = "rules" if file.parent.name == "rules" else file.stem
        assert (file.parent / schema).resolve() == (schemas.FOLDER / f"{kind}.json").resolve()
