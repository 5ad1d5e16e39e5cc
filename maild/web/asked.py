"""What the address of a page or a form names: a conversation, and an inbox in which it lies."""

from __future__ import annotations

from maild.archive import queries
from maild.errors import ForbiddenError, NotFoundError
from maild.mail.ids import parse_reference
from maild.policy.roles import Permission
from maild.web.recording import remember_conversation
from maild.web.visit import Visit


async def conversation_asked(visit: Visit) -> queries.Conversation:
    """Return the conversation that the address names, and record that it was opened. Raises NotFoundError."""
    reference = parse_reference(visit.request.path_params["reference"])
    if reference is None:
        raise NotFoundError("not a reference")
    talk = await visit.read(queries.conversation, visible=visit.visible, reference=reference)
    remember_conversation(visit, talk)
    return talk


async def entry_asked(visit: Visit, permission: Permission) -> tuple[queries.Conversation, queries.Entry]:
    """Return the conversation, and its entry in the inbox that the form names.

    Raises:
        NotFoundError: it does not lie there, or not for the visitor.
        ForbiddenError: it needs a permission that the visitor has not.
    """
    talk = await conversation_asked(visit)
    entry = next((e for e in talk.entries if e.team == visit.form.get("team")), None)
    if entry is None:
        raise NotFoundError("no such entry")
    if not visit.may_with(permission, entry):
        raise ForbiddenError("readers change nothing")
    return talk, entry


def may_in(visit: Visit, permission: Permission, talk: queries.Conversation, team: str) -> bool:
    """Tell whether the visitor may do something with a conversation in an inbox."""
    return any(visit.may_with(permission, entry) for entry in talk.entries if entry.team == team)
