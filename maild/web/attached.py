"""The files that go with a letter: uploaded, or taken from the conversation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from maild.archive import content, queries
from maild.archive.drafts import Draft, Editor, NewFile, add_files
from maild.archive.standing import Reach, Talks
from maild.errors import NotFoundError
from maild.mail.composing import File
from maild.mail.filename import safe_filename
from maild.policy.roles import Permission
from maild.web.draft_form import ticked
from maild.web.opening import open_part
from maild.web.visit import Visit

_OVERHEAD_BYTES = 100_000  # of a message besides its files: header, text, boundaries


def room_bytes(visit: Visit) -> int:
    """Return how many octets of files a letter has room for: in base64 they grow by a third, and by line ends."""
    return max((visit.services.settings.max_message_bytes - _OVERHEAD_BYTES) * 72 // 100, 0)


async def keep(visit: Visit, draft: Draft, inbox: str, by: Editor, uploads: Iterable[UploadFile]) -> bool:
    """Keep uploaded files with a draft; False where one has no room any more."""
    whole = True
    for upload in uploads:
        name = upload.filename or ""
        if not name:
            continue  # the field was left empty
        if upload.size is not None and upload.size > room_bytes(visit):
            whole = False
            continue
        kept = await run_in_threadpool(_held, upload)
        new = NewFile(
            draft_id=draft.id,
            by=by,
            name=safe_filename(name),
            media_type=(upload.content_type or "").partition(";")[0].strip().lower()[:120],
            content=kept,
            max_bytes=room_bytes(visit),
        )
        needs = ((Permission.DRAFT, inbox),)
        whole = await visit.write(add_files, new, needs=needs, of=talks_of(draft), narrowed=as_they_may) and whole
    return whole


def talks_of(draft: Draft) -> Talks | None:
    """Return the conversation that a draft belongs to; None for that of a new letter."""
    return None if draft.conversation_id is None else (draft.conversation_id,)


def as_they_may(asked: Any, reach: Reach) -> Any:
    """Fit an act on a draft to what its person may still do with what others wrote."""
    by, may = asked.by, reach.teams(Permission.RESPOND) & reach.visible.teams
    acts_for = {team: ids for team, ids in by.acts_for.items() if team in may}
    return replace(asked, by=replace(by, releasing=by.releasing & may, acts_for=acts_for))


def _held(upload: UploadFile) -> content.Held:
    return content.held(upload.file.read())


async def files_of(visit: Visit, draft: Draft) -> tuple[File, ...]:
    """Return all files of a draft with their octets. Raises NotFoundError for one that may not be read any more."""
    found = []
    for file in draft.files:
        octets = await visit.read(content.read, file.digest)
        found.append(File(name=file.name, media_type=file.media_type, octets=octets))
    found.extend([await _taken(visit, draft, key) for key in sorted(ticked(draft.fields, "take"))])
    return tuple(found)


async def _taken(visit: Visit, draft: Draft, key: str) -> File:
    number, _, part = key.partition(":")
    if not number.isascii() or not number.isdigit() or len(number) > 19:
        raise NotFoundError("no such part")
    message = await visit.read(queries.message, visible=visit.visible, message_id=int(number))
    if message.conversation_id != draft.conversation_id:
        raise NotFoundError("an attachment of another conversation")
    octets, media_type, name = await open_part(visit, message, part)
    return File(name=name, media_type=media_type, octets=octets)
