"""The floor plans of the site folder: SVG files, read once when the console starts."""

import re
from pathlib import Path

from msgspec import Struct

from vorab.site import Site

LARGEST = 4 * 1024 * 1024  #: bytes; a larger file is no plan that a browser should draw

_NUMBER = r"-?\d+(?:\.\d+)?"
_VIEW_BOX = re.compile(rf"""<svg[^>]*\sviewBox=["']{_NUMBER}[\s,]+{_NUMBER}[\s,]+({_NUMBER})[\s,]+({_NUMBER})["']""")


class Drawing(Struct, frozen=True):
    svg: bytes
    width: float  #: of its viewBox, which begins at 0 0: the units of `at` in places.yaml
    height: float


def read(site: Site) -> dict[str, Drawing]:
    """The drawings by floor.  A file that is missing, too large or without a viewBox is left out: the desk says so."""
    found: dict[str, Drawing] = {}
    for place in site.places:
        path = Path(site.folder, place.plan)
        if place.plan and path.is_file() and path.stat().st_size <= LARGEST:
            svg = path.read_bytes()
            box = _VIEW_BOX.search(svg[:4096].decode("utf-8", "replace"))
            if box and float(box[1]) > 0 and float(box[2]) > 0:
                found[place.id] = Drawing(svg, float(box[1]), float(box[2]))
    return found
