from pathlib import Path

import pytest

from deploy.site import schemas

SITES = sorted(Path(schemas.__file__).parents[1].glob("sites/*"))


@pytest.mark.parametrize("name", schemas.schemas())
def test_the_schemas_are_up_to_date(name: str) -> None:
    assert (schemas.FOLDER / name).read_text("utf-8") == schemas.schemas()[name], "run: python -m vorab schemas"


def test_the_reference_page_is_up_to_date_and_has_every_field() -> None:
    page = schemas.page()
    assert schemas.PAGE.read_text("utf-8") == page, "run: python -m vorab schemas"
    for field in ("time_zone", "on_foot", "life_safety_limits", "clear_for", "customer_of", "ladder", "given"):
        assert f"`{field}`" in page


@pytest.mark.parametrize("site", SITES, ids=lambda site: site.name)
def test_every_file_of_a_site_names_its_schema_in_its_first_line(site: Path) -> None:
    for file in site.rglob("*.yaml"):
        first = file.read_text("utf-8").splitlines()[0]
        start, _, schema = first.partition("$schema=")
        assert start == "# yaml-language-server: "
        kind = "rules" if file.parent.name == "rules" else file.stem
        assert (file.parent / schema).resolve() == (schemas.FOLDER / f"{kind}.json").resolve()
