"""Badge readers: {"badge": "0471A2", "granted": true, "time": "2026-10-03T14:02:09Z"}; sign of life: {"online": true}.

Only a granted badge is a `badge`; a refused one is a `badge_refused`.  `time` (ISO 8601 with an offset) may be absent.
"""

from ingest.instants import instant_of
from vorab import Malformed, Payload, Quantity, Sample
from vorab.model import Instant


def decode(payload: Payload) -> list[Sample]:
    """Raises Malformed."""
    fields = payload.object()
    samples = [Sample(Quantity.ONLINE, payload.flag("online"))] if "online" in fields else []
    if samples and "badge" not in fields:
        return samples
    badge = payload.first("badge")
    if not isinstance(badge, str) or not badge.strip():
        raise Malformed(f"badge is {str(badge)[:40]!r}; expected the number of a badge as text")
    quantity = Quantity.BADGE if payload.flag("granted") else Quantity.BADGE_REFUSED
    return [*samples, Sample(quantity, badge)]


def time_of(payload: Payload) -> Instant | None:
    return instant_of(payload.object().get("time"))
