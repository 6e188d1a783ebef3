"""What Twilio does with calls, as far as we use it (its OpenAPI file, v2010): create, fetch, list, hang up."""

from dataclasses import dataclass
from typing import Any

from vorab.model import SECOND, Instant, Span
from vorab.ports import HttpResponse
from vorab.testing.phones.conversation import Call, Conversations
from vorab.testing.phones.exchange import Form, page_of, read_date, refuse, reply, shown_date


@dataclass(eq=False, repr=False)
class Calls(Conversations):
    """The calls of one account."""

    def _create_call(self, form: Form) -> HttpResponse:
        fields = dict(form)
        to = fields.get("To", "")
        with self.changed:
            self.asked.append(to)
            planned = self._planned("create", to)
            if planned and not planned.is_accepted:
                return planned.answer()
            refused = _refused(fields)
            if refused:
                return refuse(400, *refused)
            events = " ".join(value for name, value in form if name == "StatusCallbackEvent").split()
            call = self._accept_call(fields, tuple(events) or ("completed",))
            answer = reply(201, self._call(call))
        return planned.answer(answer) if planned else answer

    def _accept_call(self, fields: dict[str, str], events: tuple[str, ...]) -> Call:
        now = self.clock.now()
        listens = fields.get("MachineDetection") in ("Enable", "DetectMessageEnd") and fields.get("AsyncAmd") == "true"
        call = Call(
            sid=self._sid("CA"),
            to=fields["To"],
            sender=fields["From"],
            created_at=now,
            due_at=Instant(now + self.delay),
            timeout=Span(int(fields.get("Timeout") or 60) * SECOND),
            limit=Span(int(fields.get("TimeLimit") or 14_400) * SECOND),
            url=fields.get("Url", ""),
            document=fields.get("Twiml", ""),
            callback=fields.get("StatusCallback", ""),
            events=events,
            machine=fields.get("AsyncAmdStatusCallback", "") if listens else "",
        )
        self._calls[call.sid] = call
        self._open.append(call)
        return call

    def _fetch_call(self, sid: str) -> HttpResponse:
        with self.changed:
            planned = self._planned("fetch")
            if planned:
                return planned.answer()
            call = self._calls.get(sid)
            return reply(200, self._call(call)) if call else refuse(404, 20404, "The resource was not found")

    def _update_call(self, sid: str, fields: dict[str, str]) -> HttpResponse:
        """Hangs up.  `canceled` leaves alone whoever is talking already."""
        with self.changed:
            call = self._calls.get(sid)
            planned = self._planned("update", call.to if call else "")
            if planned and not planned.is_accepted:
                return planned.answer()
            if call is None:
                return refuse(404, 20404, "The resource was not found")
            wanted = fields.get("Status")
            if wanted not in ("completed", "canceled"):
                return refuse(400, 20001, "Status must be 'completed' or 'canceled'")
            if not call.is_open:
                return refuse(400, 21220, "Call is not in-progress. Cannot redirect.")
            if call.status != "in-progress":
                self._end(call, "canceled")
            elif wanted == "completed":
                self._end(call, "completed")
            answer = reply(200, self._call(call))
        return planned.answer(answer) if planned else answer

    def _list_calls(self, path: str, query: dict[str, str]) -> HttpResponse:
        with self.changed:
            planned = self._planned("list", query.get("To", ""))
            if planned:
                return planned.answer()
            if self.list_fails:
                return refuse(500, 20500, "Internal error")
            return page_of("calls", [self._call(call) for call in self._found_calls(query)], path, query)

    def _found_calls(self, query: dict[str, str]) -> list[Call]:
        """The newest first."""
        since = read_date(query["StartTime>"]) if "StartTime>" in query else None
        return [
            call
            for call in reversed(self._calls.values())
            if self._is_listed(call.created_at)
            and query.get("To", call.to) == call.to
            and query.get("From", call.sender) == call.sender
            and query.get("Status", call.status) == call.status
            and (since is None or (call.started_at is not None and call.started_at >= since))
        ]

    def _call(self, call: Call) -> dict[str, Any]:
        uri = f"/2010-04-01/Accounts/{self.account}/Calls/{call.sid}"
        parts = ("events", "notifications", "payments", "recordings", "siprec", "streams", "transcriptions")
        return {
            "account_sid": self.account,
            "answered_by": call.answered_by,
            "api_version": "2010-04-01",
            "caller_name": None,
            "date_created": shown_date(call.created_at),
            "date_updated": shown_date(call.ended_at or call.answered_at or call.started_at or call.created_at),
            "direction": "outbound-api",
            "duration": str(call.seconds) if call.status == "completed" else None,
            "end_time": shown_date(call.ended_at),
            "forwarded_from": None,
            "from": call.sender,
            "from_formatted": call.sender,
            "group_sid": None,
            "parent_call_sid": None,
            "phone_number_sid": None,
            "price": None,
            "price_unit": "USD",
            "queue_time": "0",
            "sid": call.sid,
            "start_time": shown_date(call.started_at),
            "status": call.status,
            "subresource_uris": {part: f"{uri}/{part.capitalize()}.json" for part in parts},
            "to": call.to,
            "to_formatted": call.to,
            "trunk_sid": None,
            "uri": f"{uri}.json",
        }


def _refused(fields: dict[str, str]) -> tuple[int, str] | None:
    """Twilio's code and its words for a call that it would not make."""
    to = fields.get("To", "")
    for name, code in (("To", 21201), ("From", 21213)):
        if not fields.get(name):
            return code, f"No '{name}' number is specified"
    if not to.startswith("+") or not to[1:].isdigit():
        return 21211, f"The 'To' number {to} is not a valid phone number."
    if not fields.get("Twiml") and not fields.get("Url", "").startswith(("http://", "https://")):
        return 21205, "Url is not a valid URL"
    for name, least, most in (("Timeout", 5, 600), ("TimeLimit", 1, 86_400)):
        told = fields.get(name) or str(most)
        if not (told.isascii() and told.isdigit() and least <= int(told[:9]) <= most):
            return 20001, f"{name} must be between {least} and {most}"
    return None
