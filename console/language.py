"""In which language a reader reads: the one he chose in the bar, else what his browser asks for, else the site's."""

from vorab.words import LANGUAGES

COOKIE = "language"  #: written by the page itself; not a secret


def chosen(cookie: str, accepted: str, house: str) -> str:
    """One of LANGUAGES.  `accepted`: the header Accept-Language (RFC 9110, 12.5.4); what is no such header is passed
    over.
    """
    if cookie in LANGUAGES:
        return cookie
    wanted = sorted(map(_weight, accepted.split(",")), key=lambda one: -one[1])  # stable: the first of equals
    spoken = (language for language, weight in wanted if language in LANGUAGES and weight > 0)
    return next(spoken, house if house in LANGUAGES else LANGUAGES[0])


def _weight(part: str) -> tuple[str, float]:
    """`de-AT;q=0.8` → de, 0.8."""
    tag, _, parameter = part.partition(";")
    text = parameter.strip().removeprefix("q=")
    try:
        weight = float(text) if parameter else 1.0
    except ValueError:
        weight = 0.0
    return tag.partition("-")[0].strip().lower(), weight if 0 < weight <= 1 else 0.0
