"""What contact sees and says at a place: a picture of it, and its recorded instruction."""

import asyncio
import contextlib

from deploy import runtime, talks
from deploy.media import camera
from vorab.errors import TemporaryFailure
from vorab.ports import HttpClient
from vorab.site import Camera, Place, Site

WITHIN_S = 3.0  #: for a picture; contact keeps e-mails waiting no longer for it
STARTS_WITHIN_S = 30.0  #: the media process, which may just be starting when the first alarm comes
SNAPSHOT_S = 1.5  #: of that, where the camera has a stream as well


class SiteScene:
    """Implements vorab.ports.Scene."""

    def __init__(self, site: Site, found: runtime.Runtime, http: HttpClient) -> None:
        self._cameras = runtime.cameras(site, found)
        self._intercoms = runtime.intercoms(site, found)
        self._media = talks.Media(found, http)

    def sees(self, place: Place) -> bool:
        return place.id in self._cameras

    def picture(self, place: Place) -> bytes:
        """Raises TemporaryFailure, within 3 s."""
        return asyncio.run(_picture(self._cameras[place.id]))

    def instruct(self, place: Place) -> bool:
        """Raises TemporaryFailure when the loudspeaker cannot be reached now; the media process goes on trying."""
        intercom = self._intercoms.get(place.id)
        if intercom is None or not intercom.instruction:
            return False
        self._media.wait(STARTS_WITHIN_S)
        self._media.ask("POST", "/instructions", [("place", place.id)])
        return True


async def _picture(seen: Camera) -> bytes:
    """From the snapshot's address, else the first picture of the stream."""
    try:
        async with asyncio.timeout(WITHIN_S):
            if seen.snapshot:
                with contextlib.suppress(*((TemporaryFailure, TimeoutError) if seen.stream else ())):
                    return await asyncio.wait_for(camera.snapshot(seen), SNAPSHOT_S if seen.stream else None)
            async with contextlib.aclosing(camera.stream(seen, camera.PICTURE)) as pictures:
                return await anext(pictures)
    except TimeoutError:
        raise TemporaryFailure(f"the camera shows nothing within {WITHIN_S:g} s") from None
