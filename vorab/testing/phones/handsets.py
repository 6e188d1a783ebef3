"""Words for tests: `phone("ana").receives_sms("gate B12", "open").and_replies("4821")`, and for a call
`phone("ben").rings().picks_up().hears("high", "gate B twelve").presses("1").hears("yours")`.
"""

from collections.abc import Mapping, Sequence

from vorab.testing.phones.conversation import Call
from vorab.testing.phones.world import PhoneWorld


class Handset:
    """One person's telephone and mailbox.  What arrived counts as expected when a test has asked for it."""

    def __init__(self, world: PhoneWorld, name: str, number: str, mailbox: str = "") -> None:
        self._world = world
        self.name = name
        self.number = number
        self.mailbox = mailbox  #: address; "" = none
        self._call: Call | None = None
        self._heard = 0  #: sentences of this call before the last key

    # --- text messages ------------------------------------------------------------------------------------------------

    def receives_sms(self, *words: str) -> "Handset":
        """The next unread message has all these words, in any case.  Fails with what is there instead."""
        return self._receives("sms", self.number, "message", words)

    def receives_mail(self, *words: str) -> "Handset":
        """The next unread mail has all these words in its subject or its text, in any case."""
        assert self.mailbox, f"{self.name} has no mailbox"
        return self._receives("mail", self.mailbox, "mail", words)

    def _receives(self, kind: str, address: str, called: str, words: Sequence[str]) -> "Handset":
        self._world.tick()
        unread = self._world.unread(address, kind)
        assert unread, f"{self.name} got no {called}; wanted {_quoted(words)}"
        missing = _missing(words, unread[0].text)
        there = _listed([entry.text for entry in unread])
        assert not missing, f"{self.name}: {_quoted(missing)} not in the next {called}\n{there}"
        self._world.read(address, kind)
        return self

    def and_replies(self, text: str) -> "Handset":
        self._world.write(self.number, text)
        self._world.tick()
        return self

    # --- calls --------------------------------------------------------------------------------------------------------

    def rings(self) -> "Handset":
        """The next call that nobody asked for yet rings, or has rung; from now on it counts as expected."""
        self._world.tick()
        rang = [call for call in self._world.calls(self.number) if call.rang and not call.is_expected]
        assert rang, f"{self.name}'s telephone does not ring\n{_listed(self._world.unasked(self.number))}"
        self._call, self._heard = rang[0], 0
        self._call.is_expected = True
        return self

    def picks_up(self) -> "Handset":
        """The call that rings is answered, and says what it says until it wants a key."""
        call = self._world.ringing(self.number)
        assert call, f"{self.name} cannot pick up: {self._state()}"
        self._call, self._heard = call, 0
        self._world.pick_up(self.number)
        self._world.tick()
        return self

    def hears(self, *words: str) -> "Handset":
        """All these words were said since the last key, in any case; a recording is heard as its file name."""
        self._world.tick()
        assert self._call, f"{self.name} hears nothing: {self._state()}"
        said = [said.text for said in self._call.said[self._heard :]]
        missing = _missing(words, " ".join(said))
        assert not missing, f"{self.name}: {_quoted(missing)} not heard\n{_listed(said)}"
        return self

    def presses(self, key: str) -> "Handset":
        """One key after the other, as far as the call lasts; what is said after the last one is heard next."""
        assert self._call, f"{self.name} cannot press {key}: {self._state()}"
        for one in key:
            self._heard = len(self._call.said)
            assert self._world.press(self.number, one), f"{self.name} cannot press {one}: {self._state()}"
            self._world.tick()
        return self

    def hangs_up(self) -> "Handset":
        """The call is over; one that rings is declined."""
        assert self._world.hang_up(self.number), f"{self.name} cannot hang up: {self._state()}"
        self._world.tick()
        return self

    def _state(self) -> str:
        calls = self._world.calls(self.number)
        return f"the last call is {calls[-1].status}" if calls else "nobody has called"

    # --- both ---------------------------------------------------------------------------------------------------------

    def nothing_more(self) -> "Handset":
        """Fails with the list if there is an unread message or mail, or a call that nobody asked for."""
        self._world.tick()
        more = [line for address in (self.number, self.mailbox) if address for line in self._world.unasked(address)]
        assert not more, f"{self.name} got more than expected:\n{_listed(more)}"
        return self

    @property
    def code(self) -> str:
        """The digits of the last message that asks for an answer."""
        texts = [entry.text for entry in self._world.received(self.number)]
        found = [word for text in reversed(texts) for word in text.split() if word.isdigit() and len(word) >= 4]
        assert found, f"{self.name} was asked nothing"
        return found[0]


class Phones:
    """Every handset of a test, by the name of its owner."""

    def __init__(self, world: PhoneWorld, numbers: Mapping[str, str], mails: Mapping[str, str] | None = None) -> None:
        """`numbers`, `mails`: name → number, and name → address of the mailbox, for whoever has one."""
        boxes = mails or {}
        names = [*numbers, *(name for name in boxes if name not in numbers)]
        self._handsets = {name: Handset(world, name, numbers.get(name, ""), boxes.get(name, "")) for name in names}

    def __call__(self, name: str) -> Handset:
        return self._handsets[name]


def _missing(words: Sequence[str], text: str) -> list[str]:
    return [word for word in words if word.casefold() not in text.casefold()]


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(map(repr, words)) or "anything"


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"  {number}. {line}" for number, line in enumerate(lines, 1))
