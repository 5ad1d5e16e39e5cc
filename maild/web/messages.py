"""A message by itself: read, as source, as received, and its parts."""

from __future__ import annotations

from functools import partial

from starlette.responses import HTMLResponse, Response, StreamingResponse

from maild.archive import queries
from maild.archive.examinations import evidence_of
from maild.authentication.results import write_results
from maild.errors import NotFoundError
from maild.mail.evidence import Evidence
from maild.mail.ids import format_id, parse_id
from maild.web.after_sending import fates
from maild.web.attachments import attachment_headers
from maild.web.holding import duty_lines
from maild.web.letter_html import letter_headers
from maild.web.opening import (
    consents,
    has_virus,
    head,
    image_consent,
    open_letter,
    open_part,
    require_harmless,
    screening_of,
    stream,
    without_body,
)
from maild.web.recording import remember_message
from maild.web.sender_check import check_of
from maild.web.shell import shell_of, team_name
from maild.web.visit import Visit

_SOURCE_BYTES = 256 * 1024


async def _message(visit: Visit) -> queries.Message:
    number = parse_id(visit.request.path_params["id"])
    if number is None:
        raise NotFoundError("not an id")
    found = await visit.read(queries.message, visible=visit.visible, message_id=number)
    remember_message(visit, found)
    return found


async def message(visit: Visit) -> Response:
    """Show one message with its headers."""
    found = await _message(visit)
    letter = await open_letter(visit, found, images=consents(visit, found.id))
    known_as = found.duplicate_of or found.id
    resends = await visit.read(queries.duplicates, visible=visit.visible, message_id=known_as)
    return visit.page(
        "message.html",
        shell=await shell_of(visit),
        letter=letter,
        message=found,
        resends=[number for number in resends if number != found.id],
        consent={found.id: image_consent(visit, found.id)},
        images=consents(visit, found.id),
        duty_lines=await duty_lines(visit, [found]),
        duty_team=partial(team_name, visit),
        fates=await fates(visit, [found]),
        may_respond=frozenset(),
        way=_way(found),
        check=None if letter.sender.evidence is None else check_of(letter.sender.evidence, visit.language),
    )


async def letter(visit: Visit) -> Response:
    """Return the document that stands in the sandboxed frame."""
    found = await _message(visit)
    images = consents(visit, found.id)
    view = (await open_letter(visit, found, images=images)).view
    if not view.html_document:
        raise NotFoundError("the letter has no formatted text")
    return HTMLResponse(view.html_document, headers={**letter_headers(images=images), "x-frame-options": "SAMEORIGIN"})


async def raw(visit: Visit) -> Response:
    """Return exactly the received octets."""
    found = await _message(visit)
    await require_harmless(visit, found)
    return StreamingResponse(
        stream(visit, found.digest),
        media_type="message/rfc822",
        headers={
            "content-length": str(found.size),
            "content-disposition": f'attachment; filename="{format_id(found.id)}.eml"',
        },
    )


async def source(visit: Visit) -> Response:
    """Show the octets as text."""
    found = await _message(visit)
    octets = await head(visit, found.digest, _SOURCE_BYTES)
    barred = has_virus(await screening_of(visit, found))
    if barred:
        octets = without_body(octets)
    evidence = (await visit.read(evidence_of, [found.id])).get(found.id)
    return visit.page(
        "source.html",
        shell=await shell_of(visit),
        message=found,
        added="" if evidence is None else _added(evidence, visit),
        text=_shown(octets),
        rest=max(found.size - len(octets), 0),
        barred=barred,
    )


def _added(evidence: Evidence, visit: Visit) -> str:
    """Return what maild says of the sender, as mail says it: beside the content, which stays as it came."""
    return _shown(write_results(evidence, visit.services.settings.hostname).encode())


def _shown(octets: bytes) -> str:
    """Return octets as text in which nothing is invisible but spaces and line ends."""
    text = octets.decode("utf-8", "replace").replace("\r\n", "\n")
    return "".join(c if c.isprintable() or c in "\n\t" else _picture(c) for c in text)


def _picture(character: str) -> str:
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else f"\\u{code:04x}"


async def part(visit: Visit) -> Response:
    """Return an attachment: to be saved, and shown only where that is safe."""
    found = await _message(visit)
    octets, filename, media_type = await open_part(visit, found, visit.request.path_params["part"])
    return Response(octets, headers=attachment_headers(filename, media_type, octets[:512]))


def _way(message: queries.Message) -> list[tuple[str, str]]:
    """Return what the SMTP dialogue said of the last hop. Recipients are left out: some may be others' secret."""
    said = {name: message.envelope.get(name.lower()) for name in ("IP", "HELO")}
    tls = message.envelope.get("tls")
    said["TLS"] = tls[0] if isinstance(tls, list) and tls else None
    return [(name, str(value)) for name, value in said.items() if value]
