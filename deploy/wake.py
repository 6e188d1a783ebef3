"""One Unix datagram wakes another process after a commit that concerns it; a poll every 200 ms, should it get lost."""

import contextlib
import select
import socket
from pathlib import Path

POLL_S = 0.2


class Bell:
    """What a process waits on.  Owned by the process called `name`; the file goes with it."""

    def __init__(self, data: Path, name: str) -> None:
        self.path = data / f"{name}.bell"
        self.path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(self.path))

    def fileno(self) -> int:
        return self._socket.fileno()

    def wait(self, seconds: float) -> None:
        """Returns when somebody rang, or after these seconds at the latest."""
        select.select([self._socket], [], [], max(0.0, min(seconds, POLL_S)))
        self.clear()

    def clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(64)

    def close(self) -> None:
        self._socket.close()
        self.path.unlink(missing_ok=True)


class OwnBell(Bell):
    """Rung by threads of this process alone: several such processes may use one data folder."""

    def __init__(self) -> None:
        self._socket, self._end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self._socket, self._end):
            end.setblocking(False)

    def ring(self) -> None:
        with contextlib.suppress(OSError):  # full: it has been rung; closed: nobody waits
            self._end.send(b"!")

    def close(self) -> None:
        self._socket.close()
        self._end.close()


class Ringer:
    """Rings the bells of others.  Nobody there, or a bell that is full, is no error: they poll."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def ring(self, name: str) -> None:
        with contextlib.suppress(OSError):
            self._socket.sendto(b"!", str(self._data / f"{name}.bell"))

    def close(self) -> None:
        self._socket.close()
