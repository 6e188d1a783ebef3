"""The shift: which desks there are, which pages look at them, and what they have shown."""

from typing import Annotated
from uuid import UUID

from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field

from console.api import Desk, Json
from console.ports import Message
from console.signin import OPERATOR
from vorab.model import Delivery
from vorab.ports import Directory, InboxItem
from workflows.incident import DESKTOP

#: Contact has handed the message over, or is about to; what is still waiting is not shown on purpose yet.
_OUT = frozenset({Delivery.SENDING, Delivery.SENT, Delivery.UNKNOWN})

Name = Annotated[str, Field(min_length=1, max_length=64)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Seen(_Body):
    """Of a page that shows this desk."""

    page: UUID  #: made by the page
    desk: Name


class Shown(_Body):
    desk: Name


def desks(directory: Directory) -> list[str]:
    """The desks there are: where people can be asked by the channel desktop."""
    return sorted({person.addresses[DESKTOP] for person in directory.people() if DESKTOP in person.addresses})


def routes(app: FastAPI, desk: Desk) -> None:
    outside = desk.outside

    def known(name: str) -> str:
        if name not in desks(outside.directory):
            raise HTTPException(422, "desk: nobody in the directory has a desk of this name")
        return name

    @app.get("/api/desks", dependencies=[desk.right("view")])
    def names() -> Response:
        return Json(desks(outside.directory))

    @app.post("/api/shift", status_code=204, dependencies=[desk.right("view")])
    def seen(body: Seen) -> Response:
        """This page looks at this desk now.  After 15 s without a word the server waits for it no more."""
        outside.shifts.seen(str(body.page), known(body.desk), OPERATOR, outside.now())
        return Response(status_code=204)

    @app.delete("/api/shift/{page}", status_code=204, dependencies=[desk.right("view")])
    def end(page: UUID) -> Response:
        outside.shifts.end(str(page))
        return Response(status_code=204)

    @app.post("/api/incidents/{incident}/seen", dependencies=[desk.right("view")])
    def shown(incident: str, body: Shown) -> Response:
        """A page of this desk shows this alarm.  `done`: there was a message for it, and each has been confirmed."""
        sent = [one for one in outside.reader.messages(incident) if _is_for(one, body.desk)]
        outside.inbox.put([_delivered(one) for one in sent if one.state in _OUT], outside.now())
        return Json({"done": bool(sent) and all(one.state != Delivery.READY for one in sent)})


def _is_for(message: Message, desk: str) -> bool:
    return message.channel == DESKTOP and message.address == desk


def _delivered(message: Message) -> InboxItem:
    body = {"channel": DESKTOP, "notification": message.id, "state": Delivery.DELIVERED.value}
    return InboxItem(f"{message.id}/seen", "status", body)
