"""What can go wrong, split by what the caller can do: mend the configuration, try later, or keep and tell.

An expected outcome (a rejected number, a declined request) is a value, never one of these.
"""


class VorabError(Exception):
    """Anything of ours.  The message names the thing, the value and the way out."""


class ConfigurationError(VorabError):
    """Somebody must change a file or a setting before this can work."""


class Malformed(VorabError):
    """Input that cannot be understood: it goes to quarantine with its bytes and this reason."""


class TemporaryFailure(VorabError):
    """Not now: the same call may succeed later.  Who tries again, and how often, is decided in one place."""

    def __init__(self, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s  #: seconds, as the other side asked; None = it did not say


class OutcomeUnknown(VorabError):
    """The call may or may not have taken effect: ask the other side, do not repeat it (DESIGN §7)."""


class Refused(VorabError):
    """Not from whom it claims to be (a wrong signature): answer 403, say no more, change nothing."""


class Corrupt(VorabError):
    """Stored data that cannot be what we wrote: stop and let a person look (exit code 78)."""


class Newer(Corrupt):
    """Stored data of a version of the format that this program is too old for."""
