"""Recorded sentences, for the provider that plays them in a call.  They hold nothing that is not said to anybody."""

from pathlib import Path

from fastapi import FastAPI, HTTPException, Response

from console.api import Desk
from notifiers.voice import recordings

_TYPES = {".wav": "audio/wav", ".mp3": "audio/mpeg"}


def routes(app: FastAPI, desk: Desk) -> None:
    """Only what was there when the desk started."""
    folder = desk.outside.site.folder
    known = recordings(Path(folder) / "recordings") if folder else {}

    @app.get("/recordings/{language}/{name}", dependencies=[desk.right("public")])
    def recording(language: str, name: str) -> Response:
        file = known.get((language, name))
        if file is None or not file.is_file():
            raise HTTPException(404, "no such recording")
        # the provider keeps it: a call must not wait for what was played yesterday
        headers = {"cache-control": "public, max-age=3600"}
        return Response(file.read_bytes(), media_type=_TYPES[file.suffix], headers=headers)
