"""Pictures of a camera: over HTTP by ourselves, from RTSP by ffmpeg.  What goes wrong is said without its address."""

import asyncio
import contextlib
import shutil
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from urllib.parse import quote, urlsplit, urlunsplit

from deploy.media.jpeg import Scan
from deploy.media.message import LINE, Head, authorise, read_head, target
from vorab.errors import Malformed, TemporaryFailure
from vorab.site import Camera

CONNECT_S = 5.0  #: until the head of the answer is there
SILENT_S = 5.0  #: between two pictures
PICTURE, FRAME = 2_000_000, 1_000_000  #: bytes at the most, of one alone and of one in a stream
READ = 64 * 1024
FASTEST = 16_000_000  #: bytes a second; 25 large pictures are 8 MB, what comes faster than this waits
LOOK_AGAIN_S = 1.0  #: at a camera that has pictures only
END_S = 1.0

#: The address goes in by a pipe: what stands in the arguments of a program can be read by everybody on the machine.
#: Without `fpsprobesize` it counts pictures for a second before it shows one (2.2 s, with it 1.1 s).
_FFMPEG = "-hide_banner -loglevel quiet -protocol_whitelist pipe,rtsp,rtp,tcp -f concat -safe 0 -i pipe:0"
_MPJPEG = "-an -vf fps=5 -q:v 5 -f mpjpeg pipe:1"
_LIST = "ffconcat version 1.0\nfile '{}'\noption rtsp_transport tcp\noption fpsprobesize 0\noption timeout 5000000\n"


async def snapshot(camera: Camera) -> bytes:
    """One JPEG from its own address for that.  Raises TemporaryFailure."""
    async with contextlib.aclosing(_pictures(camera.snapshot, camera, PICTURE)) as pictures:
        return await anext(pictures)


async def stream(camera: Camera, limit: int = FRAME) -> AsyncGenerator[bytes]:
    """JPEG after JPEG, each within 5 s of the last.  Raises TemporaryFailure when there is no more."""
    if camera.stream:
        async with contextlib.aclosing(_pictures(camera.stream, camera, limit)) as pictures:
            async for picture in pictures:
                yield picture
    while True:
        yield await snapshot(camera)
        await asyncio.sleep(LOOK_AGAIN_S)


async def _pictures(url: str, camera: Camera, limit: int) -> AsyncGenerator[bytes]:
    """Never ends by itself: raises TemporaryFailure."""
    opened = _program if urlsplit(url).scheme == "rtsp" else _answer
    with in_words("the camera"):
        async with (
            opened(url, camera.user, camera.password) as reader,
            contextlib.aclosing(newest(reader, limit)) as found,
        ):
            async for picture in found:
                yield picture


async def newest(reader: asyncio.StreamReader, limit: int) -> AsyncGenerator[bytes]:
    """The pictures in these bytes; of those that came at once the last.  Never ends by itself.

    Raises TemporaryFailure, Malformed, TimeoutError.
    """
    scan = Scan(limit)
    while True:
        async with asyncio.timeout(SILENT_S):
            while not (ready := scan.feed(await _some(reader))):
                pass
        yield ready[-1]


async def _some(reader: asyncio.StreamReader) -> bytes:
    """A camera that never pauses is not alone here."""
    data = await reader.read(READ)
    if not data:
        raise TemporaryFailure("the camera sends no picture, or no more")
    await asyncio.sleep(len(data) / FASTEST)
    return data


@contextlib.contextmanager
def in_words(what: str) -> Iterator[None]:
    """Whatever a connection may raise becomes TemporaryFailure, without the address and the password in it."""
    try:
        yield
    except TimeoutError:
        raise TemporaryFailure(f"{what} says nothing") from None
    except Malformed as fault:
        raise TemporaryFailure(f"{what}: {fault}") from None
    except asyncio.IncompleteReadError:
        raise TemporaryFailure(f"{what} breaks off its answer") from None
    except ConnectionRefusedError:
        raise TemporaryFailure(f"{what} accepts no connection") from None
    except (socket.gaierror, UnicodeError):  # a name with an empty or a very long part
        raise TemporaryFailure(f"{what} cannot be found by its name") from None
    except ssl.SSLError:
        raise TemporaryFailure(f"{what} has a certificate that is not trusted here") from None
    except OSError:
        raise TemporaryFailure(f"{what} cannot be reached, or the connection broke") from None


# --- HTTP -------------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _answer(url: str, user: str, password: str) -> AsyncIterator[asyncio.StreamReader]:
    """The body of what it answers, asked a second time where it wants to know who we are."""
    async with contextlib.AsyncExitStack() as stack:
        async with asyncio.timeout(CONNECT_S):
            head, reader = await _get(stack, url, "")
            if head.status == 401 and user:
                said = authorise(head.every("www-authenticate"), "GET", target(url), user, password)
                if said is not None:
                    head, reader = await _get(stack, url, said)
        if head.status in (401, 403):
            raise TemporaryFailure("the camera does not let us in: look at user and password in the site folder")
        if 300 <= head.status < 400:
            raise TemporaryFailure("the camera sends us to another address; write that one in the site folder")
        if head.status != 200:
            raise TemporaryFailure(f"the camera answers with status {head.status}")
        yield reader


async def _get(stack: contextlib.AsyncExitStack, url: str, said: str) -> tuple[Head, asyncio.StreamReader]:
    """HTTP/1.0, so that nothing comes in chunks."""
    parts = urlsplit(url)
    is_safe = parts.scheme == "https"
    port = parts.port or (443 if is_safe else 80)
    reader, writer = await asyncio.open_connection(parts.hostname, port, ssl=is_safe or None, limit=LINE)
    stack.callback(_abort, writer)  # it would be closed when nobody holds it
    lines = [f"GET {target(url)} HTTP/1.0", f"Host: {parts.netloc}", "User-Agent: vorab", "Accept: */*"]
    lines += [f"Authorization: {said}"] if said else []
    writer.write("\r\n".join([*lines, "", ""]).encode())
    return await read_head(reader), reader


def _abort(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


# --- RTSP -------------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _program(url: str, user: str, password: str) -> AsyncIterator[asyncio.StreamReader]:
    """What ffmpeg makes of it; killed when nobody reads it any more."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise TemporaryFailure("ffmpeg is not on this machine: it is needed for cameras that speak RTSP")
    process = await asyncio.create_subprocess_exec(
        program,
        *_FFMPEG.split(),
        *_MPJPEG.split(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(_LIST.format(_with_name(url, user, password)).encode())
        process.stdin.close()
        yield process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), END_S)


def _with_name(url: str, user: str, password: str) -> str:
    """As ffmpeg wants it; without a quote or a line break that could end it."""
    parts = urlsplit(url)
    who = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
    whole = urlunsplit(parts._replace(netloc=who + parts.netloc))
    return quote(whole, safe="%/:?&=@[]+,;~!$*()#")
