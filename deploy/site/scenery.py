"""What can be seen and heard at a place: floor plans, cameras, loudspeakers."""

import re
from math import inf
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

from deploy.site.document import Document, Path_
from deploy.site.faults import nearest
from deploy.site.files import Camera as CameraEntry
from deploy.site.files import Intercom as IntercomEntry
from deploy.site.secret import secret
from vorab.site import Camera, Intercom

MAX_PLAN_BYTES = 1_000_000
MAX_SOUND_BYTES = 10_000_000  #: some ten minutes of speech

_SVG = "{http://www.w3.org/2000/svg}"
_DOCTYPE = re.compile(rb"<!(DOCTYPE|ENTITY)", re.IGNORECASE)
_ACTS = {"script", "foreignObject", "iframe", "handler", "set", "animate"}

Size = tuple[float, float]  #: width and height, in the units of the drawing


def size(folder: Path, file: str) -> Size:
    """Of the plan in this file.  Raises ValueError, in words for the operator, for what is no plan."""
    data = _bytes(folder, file, "*.svg", MAX_PLAN_BYTES, "1 MB: draw walls and names only, without pictures in it")
    if _DOCTYPE.search(data):
        raise ValueError(f"{file}: a <!DOCTYPE or <!ENTITY: save it as plain SVG")
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - no entities are left in it, and it is at most 1 MB
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ValueError(f"{file} is no SVG: {error}") from None
    if root.tag != f"{_SVG}svg":
        raise ValueError(f'{file} is no SVG: it must begin with <svg xmlns="http://www.w3.org/2000/svg" …')
    for element in root.iter():
        if (acting := _acting(element)) is not None:
            raise ValueError(f"{file}: {acting} in a plan: it is a drawing and does nothing; remove that")
    return _view_box(file, root.get("viewBox", ""))


def _bytes(folder: Path, file: str, pattern: str, limit: int, way_out: str) -> bytes:
    """Raises ValueError."""
    path = folder / file
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise ValueError(f"{file!r} is not in the site folder: put it there")
    if not path.is_file():
        there = [each.relative_to(folder).as_posix() for each in sorted(folder.glob(f"*/{pattern}"))]
        like = nearest(file, there)
        raise ValueError(f"there is no file {file}" + (f"; did you mean {like!r}?" if like else " in the site folder"))
    try:
        if path.stat().st_size > limit:
            raise ValueError(f"{file}: larger than {way_out}")
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from None


def _acting(element: ElementTree.Element) -> str | None:
    """What of this element could do something, or load something from elsewhere."""
    name = element.tag.rpartition("}")[2]
    if name in _ACTS:
        return f"<{name}>"
    for key, value in element.attrib.items():
        attribute = key.rpartition("}")[2]
        if attribute.startswith("on") or (attribute in ("href", "src") and not value.startswith("#")):
            return f"{attribute}={value[:40]!r}"
    return None


def _view_box(file: str, text: str) -> Size:
    """Raises ValueError."""
    try:
        left, top, width, height = (float(each) for each in text.replace(",", " ").split())
    except ValueError:
        left = top = width = height = 0.0
    if (left, top) != (0, 0) or not (0 < width < inf and 0 < height < inf):
        raise ValueError(f'{file}: its viewBox is {text!r}; write viewBox="0 0 WIDTH HEIGHT"')
    return width, height


class Around:
    """Where the files of the site are, and whether it is a demo: what an address or a secret is judged by."""

    def __init__(self, folder: Path, document: Document, demo: bool) -> None:
        self.folder, self.document, self.demo = folder, document, demo

    def camera(self, path: Path_, entry: CameraEntry) -> Camera:
        if not entry.stream and not entry.snapshot:
            self.document.fault(path, "a camera without an address: write stream, snapshot or both")
        self._check((*path, "stream"), entry.stream, ("http", "https", "rtsp"))
        self._check((*path, "snapshot"), entry.snapshot, ("http", "https"))
        return Camera(entry.stream, entry.snapshot, entry.user, self._secret(path, entry.password))

    def intercom(self, path: Path_, entry: IntercomEntry) -> Intercom:
        self._check((*path, "url"), entry.url, ("rtsp",))
        if entry.instruction:
            try:
                data = _bytes(self.folder, entry.instruction, "*.wav", MAX_SOUND_BYTES, "10 MB: make it shorter")
                if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
                    raise ValueError(f"{entry.instruction} is no WAV file: save it as WAV")
            except ValueError as error:
                self.document.fault((*path, "instruction"), str(error))
        return Intercom(entry.url, entry.user, self._secret(path, entry.password), entry.instruction)

    def _secret(self, path: Path_, value: str) -> str:
        return secret(self.folder, self.document, (*path, "password"), value, self.demo)

    def _check(self, path: Path_, address: str, schemes: tuple[str, ...]) -> None:
        """Faults never repeat an address: it may hold a password."""
        if not address:
            return
        try:
            parts = urlsplit(address)
            whom, _, host = parts.netloc.rpartition("@")
            _ = parts.port
        except ValueError:
            self.document.fault(path, f"not an address; write it like {schemes[0]}://camera.example/stream")
            return
        known = ", ".join(f"{scheme}://" for scheme in schemes)
        if parts.scheme == "demo":
            if not self.demo:
                self.document.fault(path, f"demo: is for a demo only; write an address that begins with {known}")
            elif not re.fullmatch(r"[a-z0-9][a-z0-9-]*", parts.path):
                self.document.fault(path, "write demo:NAME, the name of a simulated one: small letters, digits and -")
        elif parts.scheme not in schemes:
            self.document.fault(path, f"{parts.scheme or 'nothing'}: is not spoken here; it begins with {known}")
        elif whom:
            message = "a name or a password in the address: write user, and password: env:NAME or file:PATH"
            self.document.fault(path, message)
        elif not host:
            self.document.fault(path, f"no host in it; write it like {schemes[0]}://camera.example/stream")
