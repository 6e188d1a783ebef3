"""The pages, one for each language, without any data: their scripts ask the API, like any other client."""

import hashlib
from importlib.resources import files

from fastapi import FastAPI, HTTPException, Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from console.api import Desk
from vorab.words import LANGUAGES

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FOLDERS = ("static", "static/vendor")


def routes(app: FastAPI, desk: Desk) -> None:
    environment = Environment(
        loader=PackageLoader("console", "pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    outside = desk.outside
    shared = {
        "site": outside.site.name,
        "zone": outside.site.zone,
        "is_demo": outside.devices is not None,
        "phones_url": outside.phones_url,
        "languages": LANGUAGES,
    }

    def page(name: str, request: Request) -> Response:
        words = desk.spoken(request).words
        template = environment.get_template(f"{name}.html")
        texts = words.pages | ({"line_ends": words.line_ends()} if name == "desk" else {})
        return Response(template.render(shared, page=name, t=texts, lang=words.language), media_type="text/html")

    @app.get("/sign-in", dependencies=[desk.right("public")])
    async def sign_in(request: Request) -> Response:
        return page("sign-in", request)

    @app.get("/", dependencies=[desk.right("view")])
    async def incidents(request: Request) -> Response:
        return page("desk", request)

    if outside.devices is not None:

        @app.get("/demo", dependencies=[desk.right("view")])
        async def demo(request: Request) -> Response:
            return page("demo", request)

    static = _static()

    @app.get("/static/{name:path}", dependencies=[desk.right("public")])
    async def file(name: str, request: Request) -> Response:
        """One of the files known when we started; no path is ever made of what a browser sends."""
        if name not in static:
            raise HTTPException(404, "no such file")
        content, media_type, tag = static[name]
        headers = {"etag": tag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)


def _static() -> dict[str, tuple[bytes, str, str]]:
    """Name below static/ → content, type, entity tag."""
    table = {}
    for folder in _FOLDERS:
        for entry in files("console").joinpath(folder).iterdir():
            suffix = entry.name[entry.name.rfind(".") :]
            if suffix in _TYPES:
                content, name = entry.read_bytes(), f"{folder}/{entry.name}".removeprefix("static/")
                table[name] = content, _TYPES[suffix], f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    return table
