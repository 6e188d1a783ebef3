"""Every fault of a site folder: one line each, at its place, with the way out."""

from pathlib import Path

import pytest

from deploy.site.faults import Faults
from deploy.site.load import check, load
from tests.unit.site.conftest import Spoil, write
from vorab.model import SECOND, PlaceId, Span
from vorab.site import Limits, Way


def test_a_sound_site_has_no_fault_and_is_read_whole(folder: Path) -> None:
    assert check(folder) == []
    site = load(folder)
    assert (site.name, site.zone, site.languages, site.demo) == ("depot", "Europe/Paris", ["en"], True)
    assert [sensor.id for sensor in site.sensors] == ["gate-1-door", "gate-1-badge", "cold-1-climate", "aed-1"]
    assert site.sensors[0].topic == "zigbee2mqtt/gate-1-door"
    assert site.ways == [Way(PlaceId("gate-1"), PlaceId("cold-1"), 90)]
    assert site.responses[0].ladder[0].wait == 60 * SECOND
    assert site.brokers[0].host == ""  # the demo's own
    gate = next(place for place in site.places if place.id == "gate-1")
    assert gate.path == ["depot", "north", "gate-1"]
    assert gate.access == "staff"  # of the zone around it
    assert gate.readers == ["gate-1-badge"]


RULES = [
    ("for: 30s", "for: 30", "rules/doors.yaml:4:8: 30 of what? Write 30s or 30min"),
    ("priority:", "prioriy:", "rules/doors.yaml:5:3: unknown field 'prioriy' in rule; did you mean 'priority'?"),
    ("{ type: door }", "{ sensors: gate-*-dor }", "2:21: no sensor matches 'gate-*-dor'; the nearest is 'gate-1-door'"),
    ("{ type: door }", "{ type: dor }", "2:18: unknown type 'dor'; did you mean 'door'?"),
    ("{ type: door }", "{ zone: sorth }", "2:18: unknown place 'sorth'; did you mean 'north'?"),
    ("{ type: door }", "{ type: door, tag: food }", "2:10: watches nothing"),
    ("{ type: door }", "{}", "2:10: watches nothing: name a type"),
    ("respond: guard", "respond: gard", "6:12: unknown response 'gard'; did you mean 'guard'?"),
    ("respond: guard", "respond: guard\n  owner: anna", "7:10: unknown person 'anna'; did you mean 'ana'?"),
    ("priority: high", "priority: hihg", "5:13: unknown value 'hihg'; did you mean 'high'?"),
    ("  priority: high\n", "", "1:1: 'priority' is missing"),
    ("when: open", "when: opn", "3:9: unknown state 'opn'; did you mean 'open'?"),
    ("when: open", "when: { silent: 15 }", "3:19: 15 of what? Write 15s or 15min"),
    ("when: open", "when: { silent: 0s }", "3:19: 0s of silence"),
    ("when: open", "when: { silent: 30min }", "3:19: warning: gate-1-door speaks every 1h only"),
    ("when: open", "when: { open: { without: bage, within: 10s } }", "3:28: unknown value 'bage'"),
    ("when: open", "when: { open: { without: badge } }", "3:11: 'within' is missing: How long before."),
    ("when: open", "when: { temperatur: { above: 3 °C } }", "3:11: unknown quantity 'temperatur'; did you mean"),
    ("when: open", "when: { temperature: { above: 26 } }", "3:33: 26 of what? Write 26 °C"),
    ("when: open", "when: { temperature: { above: 26 kg } }", "3:33: temperature is not measured in 'kg'"),
    ("when: open", "when: { temperature: { abov: 26 °C } }", "unknown field 'abov' in limits; did you mean 'above'?"),
    ("when: open", "when: { temperature: {} }", "3:24: no limit: write above, below or outside"),
    ("when: open", "when: { temperature: { outside: 26..18 °C } }", "3:35: the limits of '26..18 °C' are swapped"),
    ("when: open", "when: { temperature: { above: 18 °C, below: 26 °C } }", "3:11: nothing is right between 26 and 18"),
    ("when: open", "when: [open]", "3:9: expected a state such as open, or one condition, found a list"),
    ("when: open", "when: open\n  deadband: 1 °C", "4:3: only limits have a deadband"),
    (
        "when: open",
        "when: { temperature: { above: 26 °C } }\n  deadband: -1 °C",
        "4:13: -1 °C: a deadband is not negative",
    ),
    ("for: 30s", "for: { high: 30s }", "4:8: one span such as 30s; only limits have levels"),
    ("respond: guard", "respond: guard\n  cause: [x]", "7:10: expected a text, found a list"),
    (
        "respond: guard",
        "respond: guard\n  examples: [{ given: [open], then: nothing }]",
        "7:24: 'open': what, and when?",
    ),
    ("respond: guard", "respond: guard\n  examples: [{ given: [opn @ 1:00], then: nothing }]", "unknown state 'opn'"),
    (
        "respond: guard",
        "respond: guard\n  examples: [{ given: [open @ 1:00], then: [risen @ 1:00] }]",
        "finding 'risen'",
    ),
]


@pytest.mark.parametrize(("text", "to", "expected"), RULES)
def test_a_fault_in_a_rule(spoil: Spoil, text: str, to: str, expected: str) -> None:
    found = spoil("rules/doors.yaml", text, to)
    assert len(found) == 1, found
    assert expected in found[0]


LEVELS = """\
    too-warm:
      watch: {{ type: climate }}
      when: {{ temperature: {{ above: {{ medium: 26 °C, high: {high} }} }} }}
      for: {span}
      respond: guard
    """


@pytest.mark.parametrize(
    ("high", "span", "expected"),
    [
        ("30 °C", "10min", ""),
        ("30 °C", "{ medium: 10min, high: 2min }", ""),
        ("79 °F", "10min", ""),  # 26.1 °C
        ("25 °C", "10min", "3:56: limits swapped: high (25) must lie above medium (26)"),
        ("30 °C", "{ hihg: 2min }", "4:10: unknown level 'hihg'; did you mean 'high'?"),
        ("30 °C", "{ high: 2 }", "4:16: 2 of what? Write 2s or 2min"),
    ],
)
def test_levels(spoil: Spoil, high: str, span: str, expected: str) -> None:
    found = spoil("rules/rooms.yaml", LEVELS.format(high=high, span=span))
    assert [expected in fault for fault in found] == ([True] if expected else [])


OTHERS = [
    ("site.yaml", "Europe/Paris", "Europe/Pariss", "site.yaml:2:12: unknown time zone 'Europe/Pariss'"),
    ("site.yaml", "[en]", "[english]", "3:13: 'english' is not a two-letter language code"),
    ("site.yaml", "[en]", "[]", "3:12: nothing here; at least one is needed"),
    ("site.yaml", "demo: true", "demo: 'yes'", "4:7: expected true or false, found the text 'yes'"),
    ("site.yaml", "env:VORAB_SMS_TOKEN", "abc", "a secret in the file: write env:NAME or file:PATH"),
    ("site.yaml", "sender:", "sendr:", "unknown field 'sendr'"),
    ("site.yaml", "+33639980099", "0639980099", "'0639980099' does not fit: Our number"),
    ("site.yaml", "  sms:", "  smoke-signals:", "6:3: no channel is called 'smoke-signals'"),
    ("site.yaml", "sender:", "limits: { 10: 5 }, sender:", "10 of what? Write 10s or 10min"),
    ("site.yaml", "sender:", "limits: { 10min: 0 }, sender:", "0 messages: at least 1"),
    ("places.yaml", "in: depot, kind: zone", "in: north, kind: zone", "north lies within itself: north in north"),
    (
        "places.yaml",
        "in: depot, kind: zone",
        "in: dept, kind: zone",
        "3:16: unknown place 'dept'; did you mean 'depot'?",
    ),
    ("places.yaml", "kind: zone", "kind: zones", "unknown value 'zones'; did you mean 'zone'?"),
    ("places.yaml", "[gate-1-badge]", "[gate-1-bdge]", "unknown sensor 'gate-1-bdge'; did you mean 'gate-1-badge'?"),
    ("places.yaml", "to: cold-1", "to: cold-2", "unknown place 'cold-2'; did you mean 'cold-1'?"),
    ("places.yaml", "90s", "-90s", "'-90s' is no span"),
    ("sensors.yaml", "decoder: badge", "decoder: bagde", "unknown decoder 'bagde'; did you mean 'badge'?"),
    ("sensors.yaml", "{ type: badge,", "{ type: bagde,", "8:25: unknown type 'bagde'; did you mean 'badge'?"),
    ("sensors.yaml", "place: cold-1", "place: cold-2", "unknown place 'cold-2'"),
    ("sensors.yaml", "place: cold-1", "place: cold-1, gateway: z2m", "unknown sensor 'z2m'"),
    ("sensors.yaml", "place: cold-1", "place: cold-1, ingest: east", "unknown ingest 'east'"),
    ("sensors.yaml", "access/{sensor}", "access/{name}", "{name} in a topic; there is {sensor}"),
    ("sensors.yaml", "access/{sensor}", "access/+/x", "no + or # in a topic"),
    ("sensors.yaml", "access/{sensor}", "vorab/{sensor}", "what stands under vorab/ is our own"),
    ("sensors.yaml", "access/{sensor}", "access//{sensor}", "a level of the topic is empty"),
    ("sensors.yaml", "access/{sensor}", "zigbee2mqtt/gate-1-door", "have the same topic 'zigbee2mqtt/gate-1-door'"),
    ("sensors.yaml", "  aed-1:", "  aed-{1..2}{a,b}:", "only one {…} in a name"),
    ("sensors.yaml", "  aed-1:", "  aed-{9..1}:", "from small to large"),
    ("sensors.yaml", "  aed-1:", "  aed-{1..999999}:", "20,000 at the most"),
    ("sensors.yaml", "  aed-1:", "  aed 1:", "'aed 1' is not a name"),
    ("sensors.yaml", "  aed-1:", "  gate-{1..2}-door:", "stands here twice"),
    ("responses.yaml", "role: guard", "role: gard", "3:15: unknown role 'gard'; did you mean 'guard'?"),
    ("responses.yaml", "[sms]", "[sm]", "unknown channel 'sm'; did you mean 'sms'?"),
    ("responses.yaml", "60s", "0s", "the last rung is repeated until somebody answers: let it wait"),
    ("responses.yaml", "wait: 60s", "wait: 60s, count: 0", "0: how many at once? Write 1, 2 … or all"),
    ("people.yaml", '"+33639980001"', "+33639980001", "found the number 33639980001; put it in quotes"),
    ("people.yaml", "+33639980001", "+33123", "'+33123' cannot be called: no such number in +33"),
    ("people.yaml", "+33639980001", "0639980001", "'0639980001' is no telephone number; write it with its country"),
    ("people.yaml", "language: en", "language: NO", "'NO' is not a two-letter language code"),
    ("people.yaml", "language: en", "language: fr", "unknown language 'fr'; there is en"),
    ("people.yaml", "24/7 }", "24/7, base: moon }", "unknown place 'moon'"),
    ("people.yaml", "24/7 }", "24/7, channels: [voice] }", "unknown address 'voice'"),
    ("people.yaml", "name: Ana", "name: 12", "expected a text, found the number 12; put it in quotes"),
]


@pytest.mark.parametrize(("name", "text", "to", "expected"), OTHERS)
def test_a_fault_in_another_file(spoil: Spoil, name: str, text: str, to: str, expected: str) -> None:
    found = spoil(name, text, to)
    assert any(expected in fault and fault.startswith(name) for fault in found), found


def test_wrong_duty_hours_are_shown_from_where_they_are_wrong(spoil: Spoil) -> None:
    found = spoil("people.yaml", "24/7", "Mo-Fr 25:00-26:00")
    assert "people.yaml:1:91: 'Mo-Fr 25:00-26:00' are no duty hours (not understood from '25:00-26:00' on)" in found[0]


def test_an_hour_in_which_nobody_can_be_reached_is_a_fault(spoil: Spoil) -> None:
    (found,) = spoil("people.yaml", "24/7", "'Mo-Sa; Su 00:00-02:00,06:00-24:00'")
    assert found == (
        "responses.yaml:3:15: on Sundays 02:00-06:00 nobody with role guard can be reached (ana is off duty)"
    )


def test_nobody_at_all_is_said_so(spoil: Spoil) -> None:
    (found,) = spoil("people.yaml", 'addresses: { sms: "+33639980001" }, ', "")
    assert found.endswith("nobody with role guard can ever be reached (ana has no number for sms)")


@pytest.mark.parametrize("name", ["site", "places", "sensors", "responses", "people"])
@pytest.mark.parametrize("text", ["[1, 2]\n", "3\n", "a text\n", "x: 1\n", "'': {}\n", "~: {}\n"])
def test_a_file_that_is_something_else_is_a_fault_and_nothing_breaks(spoil: Spoil, name: str, text: str) -> None:
    found = spoil(f"{name}.yaml", text)
    assert any(fault.startswith(f"{name}.yaml:1:") for fault in found), found


@pytest.mark.parametrize("name", ["site", "places", "sensors", "responses", "people"])
def test_a_missing_file_is_one_fault_and_names_in_it_are_not_judged(folder: Path, name: str) -> None:
    (folder / f"{name}.yaml").unlink()
    assert [str(fault) for fault in check(folder)] == [f"{name}.yaml:1:1: this file is missing"]


def test_no_rules_are_a_fault(folder: Path) -> None:
    (folder / "rules/doors.yaml").unlink()
    assert [str(fault) for fault in check(folder)] == [
        "rules:1:1: no rules: write one into rules/, in a file that ends in .yaml"
    ]


def test_a_rule_that_stands_in_two_files_is_a_fault(folder: Path, spoil: Spoil) -> None:
    (found,) = spoil("rules/more.yaml", (folder / "rules/doors.yaml").read_text())
    assert found.startswith("rules/more.yaml:1:1: rule 'door-held-open' stands in rules/doors.yaml too")


def test_every_fault_comes_in_one_run_and_nothing_is_loaded(folder: Path, spoil: Spoil) -> None:
    spoil("rules/doors.yaml", "for: 30s", "for: 30")
    spoil("rules/doors.yaml", "respond: guard", "respond: gard")
    spoil("people.yaml", '"+33639980001"', "+33639980001")
    spoil("places.yaml", "90s", "90")
    found = spoil("site.yaml", "env:VORAB_SMS_TOKEN", "abc")
    assert [fault.split(":")[0] for fault in found] == [
        "site.yaml",
        "places.yaml",
        "rules/doors.yaml",
        "rules/doors.yaml",
        "people.yaml",
    ]
    with pytest.raises(Faults) as raised:
        load(folder)
    assert str(raised.value).splitlines() == found


def test_life_safety_never_waits(spoil: Spoil) -> None:
    rule = "taken: {{ watch: {{ type: {} }}, when: taken, priority: life-safety, respond: guard{} }}\n"
    assert spoil("rules/aed.yaml", rule.format("aed", "")) == []
    (found,) = spoil("rules/aed.yaml", rule.format("aed", ", lateness: 2s"))
    assert "life safety never waits for late readings" in found
    (found,) = spoil("rules/aed.yaml", rule.format("door", ""))
    assert "warning: type door has no life_safety: true" in found


def test_a_watch_that_joins_two_lanes_is_a_fault(spoil: Spoil) -> None:
    rule = (
        "x: { watch: { type: aed }, when: { open: { without: badge, within: 5s } }, priority: high, respond: guard }\n"
    )
    (found,) = spoil("rules/aed.yaml", rule)
    assert "aed-1 and gate-1-badge are in different lanes" in found


def test_without_a_reader_nothing_can_be_concluded_from_no_badge(spoil: Spoil) -> None:
    spoil("places.yaml", ", readers: [gate-1-badge]", "")
    (found,) = spoil("rules/doors.yaml", "when: open", "when: { open: { without: badge, within: 10s } }")
    assert "gate-1-door: its place gate-1 names no badge reader" in found


def test_secrets_come_from_the_environment_or_a_file(
    folder: Path, spoil: Spoil, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = "AC" + "0" * 32
    spoil("people.yaml", "+33639980001", "+33612345678")
    spoil("site.yaml", "demo: true", "brokers: { main: { host: mqtt.example } }")
    monkeypatch.delenv("VORAB_SMS_ACCOUNT", raising=False)
    missing = spoil("site.yaml", "env:VORAB_SMS_TOKEN", "file:token")
    assert [fault.split(": ", 1)[1] for fault in missing] == [
        "the environment has no VORAB_SMS_ACCOUNT: set it, or write file:PATH",
        "token cannot be read (No such file or directory)",
    ]
    monkeypatch.setenv("VORAB_SMS_ACCOUNT", account)
    write(folder, "token", "secret\n")
    assert load(folder).channels[0].settings == {
        "account_sid": account,
        "auth_token": "secret",
        "sender": "+33639980099",
    }


def test_a_number_that_belongs_to_nobody_is_for_demos_only(folder: Path, spoil: Spoil) -> None:
    found = spoil("site.yaml", "demo: true", "brokers: { main: { host: mqtt.example } }")
    assert any("'+33639980001' cannot be called" in fault for fault in found)


def test_limits_are_spans_and_counts(folder: Path, spoil: Spoil) -> None:
    assert spoil("site.yaml", "sender:", "limits: { 10min: 6 }, life_safety_limits: { 1h: 60 }, sender:") == []
    assert load(folder).channels[0].limits == Limits([(Span(600 * SECOND), 6)], [(Span(3600 * SECOND), 60)])


def test_like_sensors_are_written_out(folder: Path, spoil: Spoil) -> None:
    assert spoil("sensors.yaml", "  aed-1: {", '  "aed-{01..03}": { asset: "AED {}",') == []
    aeds = [sensor for sensor in load(folder).sensors if sensor.type.name == "aed"]
    assert [(aed.id, aed.topic, aed.asset) for aed in aeds] == [
        ("aed-01", "aed/aed-01", "AED 01"),
        ("aed-02", "aed/aed-02", "AED 02"),
        ("aed-03", "aed/aed-03", "AED 03"),
    ]


def test_the_operators_own_texts_are_tried(folder: Path, spoil: Spoil) -> None:
    (folder / "templates/sms/en").mkdir(parents=True)
    found = spoil("templates/sms/en/request.txt", "{{ thing }} {{ nothing_of_ours }} {{ code }}")
    assert found[0].startswith("templates/sms/en/request.txt:1:1: ")
    assert spoil("templates/sms/en/request.txt", "{{ thing }}: go. Reply {{ code }}") == []
    assert load(folder).templates == {"sms/en/request.txt": "{{ thing }}: go. Reply {{ code }}"}


def test_a_folder_that_is_none_is_a_fault(tmp_path: Path) -> None:
    (fault,) = check(tmp_path / "nowhere")
    assert "is not a folder" in fault.message
