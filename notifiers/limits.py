"""How many messages one person may get: limits that hold in every sliding window (DESIGN §3, law 8)."""

from collections.abc import Sequence

from vorab.model import Instant, Span


def allowed_at(sent: Sequence[Instant], windows: Sequence[tuple[Span, int]], now: Instant) -> Instant:
    """The first instant, `now` or later, at which one more message keeps every limit.

    `sent`: when the earlier ones went out, in any order.  `windows`: (length, messages, at least 1); a window of length
    s holds what went out in [t, t + s) for any t.  Example: 10:00, 10:01, 10:02 and two in ten minutes: 10:11.
    """
    earlier = sorted(sent)
    return max([now, *(Instant(earlier[-count] + span) for span, count in windows if len(earlier) >= count)])
