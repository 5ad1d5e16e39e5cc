"""Opening letters: octets from the archive, their reading from a worker process.

A letter that its worker cannot open within its limits is shown as source only; the page never fails for it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from tempfile import SpooledTemporaryFile

from sqlalchemy import Connection
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool

from maild.archive import content
from maild.archive.queries import Message
from maild.archive.screenings import screenings
from maild.confinement import ConfinementError, Streamed
from maild.errors import NotFoundError
from maild.mail.facts import Facts, Mailbox
from maild.mail.screening import NOT_LOOKED, SPAM, VIRUS, Screening, told
from maild.web.language import catalogue
from maild.web.letter import source_html
from maild.web.letter_view import LetterView, Notice
from maild.web.senders import Sender, known_of, sender_of, without_what_is_said
from maild.web.visit import Visit

_IN_MEMORY_BYTES = 1_000_000
_HEADER = re.compile(rb"(?:(?:[!-9;-~]++[ \t]*+:|[ \t])[^\r\n]*+(?:\r\n|[\r\n]|\Z))*")
_HEADER_BYTES = 128 * 1024  # more is not shown: the pattern takes forty times the room of the shortest lines
_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A message with its reading."""

    message: Message
    view: LetterView
    sender: Sender
    screening: Screening = NOT_LOOKED

    @property
    def barred(self) -> bool:
        """Tell whether a virus was found in it: nothing of it is handed out then, and its text is shown as text."""
        return has_virus(self.screening)


def has_virus(screening: Screening) -> bool:
    """Tell whether a scanner found a virus."""
    return any(finding.verdict == VIRUS for finding in screening.findings)


def without_body(octets: bytes) -> bytes:
    """Return the fields that octets begin with.

    Security: of a letter with a virus nothing else is shown as it came: what is copied and decoded would be the virus.
    """
    found = _HEADER.match(octets, 0, _HEADER_BYTES)
    return octets[: found.end()] if found is not None else b""


async def screening_of(visit: Visit, message: Message) -> Screening:
    """Return what was said of a message before it was ours."""
    found = await visit.read(screenings, visible=visit.visible, found=[message])
    return found.get(message.id, NOT_LOOKED)


async def require_harmless(visit: Visit, message: Message) -> None:
    """Refuse to hand out what a virus was found in; raises NotFoundError, and the letter's page says why."""
    # Security: who runs maild still has it whole, by `maild show ID --raw`.
    if has_virus(await screening_of(visit, message)):
        raise NotFoundError("a virus was found in it")


async def open_letter(visit: Visit, message: Message, *, images: bool = False) -> Opened:
    """Return the letter as it is to be shown."""
    screening = await screening_of(visit, message)
    # Security: a letter from outside that claims an address of ours deserves a word; one that we sent does not.
    ours = visit.services.rulebook.current.domains if _is_strangers(visit, message) else frozenset()
    barred = has_virus(screening)
    opened = await _open(visit, message, ours, images=images and not barred)
    known = await visit.read(known_of, visit.visible, message)
    sender = sender_of(known, opened, ours, visit.language)
    opened = without_what_is_said(opened, sender.standing)
    view = replace(opened, notices=(*_about(screening), *opened.notices))
    if barred:
        view = replace(view, html_document=None, remote_images=False)
        view = replace(view, kind="text") if view.kind == "html" else view
        if view.kind == "source":
            begin = await head(visit, message.digest, _IN_MEMORY_BYTES)
            view = replace(view, plain_html=source_html(without_body(begin)))
    return Opened(message=message, view=view, sender=sender, screening=screening)


def _is_strangers(visit: Visit, message: Message) -> bool:
    return message.direction == "in" and not visit.services.is_own_machine(str(message.envelope.get("ip") or ""))


def _about(screening: Screening) -> Iterator[Notice]:
    """Say what was found, the worst first."""
    for finding in screening.against:
        if finding.verdict == VIRUS:
            yield Notice(code="virus", values=(", ".join(finding.names), finding.by), grave=True)
    if screening.filed == SPAM:
        yield Notice(code="filed-as-spam", values=(", ".join(map(told, screening.against)),), grave=True)
    elif others := [told(each) for each in screening.against if each.verdict != VIRUS]:
        yield Notice(code="spoken-against", values=(", ".join(others),))
    if screening.unasked:
        yield Notice(code="not-examined", values=(_names(screening),))


def _names(screening: Screening) -> str:
    return ", ".join(dict.fromkeys(each.by for each in screening.unasked))


async def _open(visit: Visit, message: Message, ours: frozenset[str], *, images: bool) -> LetterView:
    quoted, views = catalogue(visit.language).gettext(_("Quoted text")), visit.services.views
    key = (message.digest, images, ours, quoted)
    if (known := views.get(key)) is not None:
        return known
    octets = await _octets_of(visit, message)
    try:
        view: LetterView = await visit.services.pool.run("maild.web.letter:open_letter", octets, images, ours, quoted)
        views.keep(key, view)
    except ConfinementError as error:
        notice = Notice(code="source-only", values=(error.kind,), grave=True)
        begin = octets if isinstance(octets, bytes) else await head(visit, message.digest, _IN_MEMORY_BYTES)
        view = LetterView(kind="source", plain_html=source_html(begin), notices=(notice,))
    return view


async def facts_of(visit: Visit, message: Message) -> Facts:
    """Return what a letter says, as its worker read it; nothing but its summary, where it could not."""
    octets = await _octets_of(visit, message)
    try:
        found: Facts = await visit.services.pool.run("maild.mail.reading:facts_of", octets)
    except ConfinementError as error:
        sender = Mailbox(name=message.from_name, mail=message.from_mail)
        return Facts(subject=message.subject, senders=(sender,) if message.from_mail else (), source_only=error.kind)
    return found


async def open_part(visit: Visit, message: Message, part: str) -> tuple[bytes, str, str]:
    """Return an attachment's octets, name and type. Raises NotFoundError when there is none that can be read."""
    await require_harmless(visit, message)
    octets = await _octets_of(visit, message)
    try:
        found: tuple[bytes, str, str] = await visit.services.pool.run("maild.web.letter:open_part", octets, part)
    except ConfinementError:
        raise NotFoundError("the part cannot be read within the limits") from None
    return found


def _(text: str) -> str:
    """Mark words for translation."""
    return text


async def _octets_of(visit: Visit, message: Message) -> bytes | Streamed:
    """Return the octets for a worker: large ones go there as they are read, and are never whole in this process."""
    if message.size <= _IN_MEMORY_BYTES:
        return await visit.read(content.read, message.digest)

    def chunks() -> Iterator[bytes]:
        with visit.services.database.read(mapped=False) as connection:
            yield from content.chunks(connection, message.digest)

    return Streamed(message.size, chunks)


async def head(visit: Visit, digest: bytes, limit: int) -> bytes:
    """Return the first `limit` octets of a content."""

    def take(connection: Connection) -> bytes:
        taken = bytearray()
        for chunk in content.chunks(connection, digest):
            taken += chunk
            if len(taken) >= limit:
                break
        return bytes(taken[:limit])

    return await visit.read(take)


async def stream(visit: Visit, digest: bytes) -> AsyncIterator[bytes]:
    """Yield the octets of a content. A slow reader holds a temporary file, never the database or the memory."""
    spool = await run_in_threadpool(_spool, visit, digest)
    try:
        async for piece in iterate_in_threadpool(iter(_reader(spool), b"")):
            yield piece
    finally:
        spool.close()


def _spool(visit: Visit, digest: bytes) -> SpooledTemporaryFile[bytes]:
    spool: SpooledTemporaryFile[bytes] = SpooledTemporaryFile(  # noqa: SIM115  # closed by `stream`
        max_size=_IN_MEMORY_BYTES, dir=str(visit.services.database.data_dir)
    )
    with visit.services.database.read() as connection:
        for chunk in content.chunks(connection, digest):
            spool.write(chunk)
    spool.seek(0)
    return spool


def _reader(spool: SpooledTemporaryFile[bytes]) -> Callable[[], bytes]:
    return lambda: spool.read(_PIECE_BYTES)


def image_consent(visit: Visit, message_id: int) -> str:
    """Return the word by which a reader's click on `show images` is known: of this session and this letter only."""
    return hmac.new(visit.token.encode(), f"images:{message_id}".encode(), hashlib.sha256).hexdigest()[:32]


def consents(visit: Visit, message_id: int) -> bool:
    """Tell whether the address holds that word."""
    said = visit.request.query_params.get("images", "")
    return hmac.compare_digest(said.encode("utf-8", "surrogatepass"), image_consent(visit, message_id).encode())
