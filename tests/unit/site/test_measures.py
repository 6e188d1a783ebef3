import pytest

from deploy.site.measures import amount, between, span, write_span
from vorab.model import HOUR, MILLISECOND, MINUTE, SECOND, Quantity, Span


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30s", 30 * SECOND),
        ("30 s", 30 * SECOND),
        ("10min", 10 * MINUTE),
        ("2h", 2 * HOUR),
        ("1min 30s", 90 * SECOND),
        ("1h30min", 90 * MINUTE),
        ("500ms", 500 * MILLISECOND),
        ("1.5s", 1_500_000),
        ("0s", 0),
        ("30d", 30 * 24 * HOUR),
    ],
)
def test_a_span_is_read(text: str, expected: int) -> None:
    assert span(text) == expected


@pytest.mark.parametrize(
    "text", ["30", 30, 1.5, "", "s", "30 sec", "-5s", "30s foo", "1e9h", "99999d", None, True, [], "٣s"]
)
def test_what_is_no_span_is_refused_with_a_way_out(text: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        span(text)


def test_a_bare_number_is_asked_for_its_unit() -> None:
    with pytest.raises(ValueError, match=r"30 of what\? Write 30s or 30min"):
        span(30)


@pytest.mark.parametrize("text", ["30s", "1min 30s", "2h 10min", "0s", "1d", "250ms"])
def test_a_span_is_written_as_it_is_read(text: str) -> None:
    assert write_span(span(text)) == text
    assert span(write_span(Span(span(text)))) == span(text)


@pytest.mark.parametrize(
    ("text", "quantity", "expected"),
    [
        ("26 °C", Quantity.TEMPERATURE, 26.0),
        ("26°C", Quantity.TEMPERATURE, 26.0),
        ("-4.5 C", Quantity.TEMPERATURE, -4.5),
        ("−4 °C", Quantity.TEMPERATURE, -4.0),  # the minus that word processors write
        ("79 °F", Quantity.TEMPERATURE, 26.111111),  # (79 - 32) × 5/9
        ("300 K", Quantity.TEMPERATURE, 26.85),
        ("60 %", Quantity.HUMIDITY, 60.0),
        ("1 kPa", Quantity.PRESSURE, 10.0),
        ("1.2 kW", Quantity.POWER, 1200.0),
        ("120", Quantity.LINK_QUALITY, 120.0),
        (120, Quantity.LINK_QUALITY, 120.0),
    ],
)
def test_an_amount_is_converted_to_the_unit_of_its_quantity(text: object, quantity: Quantity, expected: float) -> None:
    assert amount(text, quantity) == pytest.approx(expected)


def test_a_difference_has_no_offset() -> None:
    assert amount("1.8 °F", Quantity.TEMPERATURE, difference=True) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("26", "26 of what"),
        (26, "26 of what"),
        ("26 kg", "not measured in 'kg'"),
        ("warm", "no amount"),
        ("", "no amount"),
        (None, "no amount"),
        (True, "no amount"),
        ("nan °C", "no amount"),
        ("1" * 400 + " °C", "no amount"),
    ],
)
def test_what_is_no_amount_is_refused(text: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        amount(text, Quantity.TEMPERATURE)


def test_a_range_has_two_ends() -> None:
    assert between("18..26 °C", Quantity.TEMPERATURE) == (18.0, 26.0)
    assert between("-30 °C .. 60 °C", Quantity.TEMPERATURE) == (-30.0, 60.0)
    assert between("64..79 °F", Quantity.TEMPERATURE) == pytest.approx((17.777778, 26.111111))


@pytest.mark.parametrize("text", ["26..18 °C", "18 °C", "18..26", 18, None, ".. °C", "18...26 °C"])
def test_what_is_no_range_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        between(text, Quantity.TEMPERATURE)
