"""Words for tests: `phone("ana").receives_sms("gate B12", "open").and_replies("4821")`."""

from collections.abc import Mapping

from vorab.testing.phones.world import PhoneWorld, Received


class Handset:
    """One person's telephone.  A message counts as read when a test has asked for it."""

    def __init__(self, world: PhoneWorld, name: str, number: str) -> None:
        self._world = world
        self.name = name
        self.number = number

    def receives_sms(self, *words: str) -> "Handset":
        """The next unread message has all these words, in any case.  Fails with what is there instead."""
        self._world.tick()
        unread = self._world.unread(self.number)
        assert unread, f"{self.name} got no message; wanted {_quoted(words)}"
        text = unread[0].text
        missing = [word for word in words if word.casefold() not in text.casefold()]
        assert not missing, f"{self.name}: {_quoted(missing)} not in the next message\n{_listed(unread)}"
        self._world.read(self.number)
        return self

    def and_replies(self, text: str) -> "Handset":
        self._world.write(self.number, text)
        self._world.tick()
        return self

    def nothing_more(self) -> "Handset":
        """Fails with the list if there is an unread message."""
        self._world.tick()
        unread = self._world.unread(self.number)
        assert not unread, f"{self.name} got more than expected:\n{_listed(unread)}"
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

    def __init__(self, world: PhoneWorld, numbers: Mapping[str, str]) -> None:
        self._handsets = {name: Handset(world, name, number) for name, number in numbers.items()}

    def __call__(self, name: str) -> Handset:
        return self._handsets[name]


def _quoted(words: tuple[str, ...] | list[str]) -> str:
    return ", ".join(map(repr, words)) or "anything"


def _listed(entries: list[Received]) -> str:
    return "\n".join(f"  {number}. {entry.text}" for number, entry in enumerate(entries, 1))
