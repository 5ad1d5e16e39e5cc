"""How roles are called on pages, and what is said of a form about people that cannot be carried out."""

from __future__ import annotations


def _(text: str) -> str:
    """Mark words for translation; the template translates them."""
    return text


ROLES = {
    "reader": _("Reading"),
    "drafter": _("Drafting"),
    "responder": _("Answering"),
    "coordinator": _("Coordinating"),
    "manager": _("Managing"),
    "administrator": _("Administration"),
    "rule-editor": _("Editing rules"),
    "auditor": _("Auditing"),
}
FAULTS = {
    "login": _("There is no account of that name. Nothing was changed."),
    "bad-login": _("A name to sign in with is one word of at most 64 characters, such as petra.m."),
    "taken": _("There is an account of that name already."),
    "mail": _("That is not a mail address."),
    "role": _("That role is not yours to give there. Nobody gives themselves a role in a team that they manage."),
    "only": _("Who coordinates or manages sees the whole inbox: helpers read, draft or answer."),
    "date": _("A day is written 2026-05-31, and the last one is not before the first, nor in the past."),
}
ABSENCE_FAULTS = {
    "date": _("A day is written 2026-05-31."),
    "past": _("The last day is not before the first, nor in the past."),
    "overlap": _("There is an absence at that time already. End that one first."),
    "deputy": _(
        "Not noted yet: a deputy answers in a team of who is away. Choose somebody of the same team, or the team."
    ),
    "whom": _("There is no colleague of that name in your teams. Nothing was changed."),
    "plan": _("Planning for others is for coordinators; from today on, every colleague can note an absence."),
}
