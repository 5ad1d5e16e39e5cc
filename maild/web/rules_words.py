"""The words of the rules' pages: what a rule asks and does, and why an edit or a save did not come about."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from maild.rules.engine import described
from maild.rules.model import Rule
from maild.rules.single_conditions import singles
from maild.web.language import catalogue
from maild.web.shell import team_name
from maild.web.times import day, size
from maild.web.visit import Visit
from maild.web.why_words import Words


def _(text: str) -> str:
    """Mark words for translation."""
    return text


FAULTS = {
    # A rule's form
    "id": _("The name of a rule has only small letters a to z, digits, dots, hyphens and underscores, at most 64."),
    "no-action": _("The rule does nothing yet: choose at least one thing that is to happen."),
    "both": _("Give either words of your own or a list, not both in one line of the form."),
    # An edit of one rule
    "unread": _("The text cannot be read as rules, so that no single rule can be changed in it. Edit it as text."),
    "one-line": _("The rules are written in one line, in brackets. Edit them as text."),
    "unknown-rule": _("There is no such rule any more."),
    "known-rule": _("There is a rule of this name already."),
    "not-by-form": _("This rule can only be changed as text."),
    "would-touch-more": _("The change would touch more than this rule. Make it as text."),
    # A save
    "reason": _("Say why: a few words help whoever reads the history."),
    "refused": _("Not saved: the text has errors."),
    "busy": _("Not saved: another change of the rules is being saved right now. Try again in a moment."),
    "unwritable": _("Not saved: maild may not write the rules file. Your text is kept on this page."),
    "not-taken": _("The file was written, but is not in force: something changed on the disk at the same moment."),
    "stale": _("Not approved: the rules have changed since this was proposed. The author can go on from the new ones."),
}  # fmt: skip
DECIDED = {
    "approved": _("approved"),
    "rejected": _("declined"),
    "withdrawn": _("withdrawn"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A rule in plain words."""

    rule: Rule
    when: tuple[str, ...]
    unless: tuple[str, ...]
    then: tuple[str, ...]
    active: str


class RuleWords:
    """Says rules in the reader's language."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._language = visit.language
        self.why = Words(visit.language, self.team, partial(size, language=visit.language))

    def team(self, team: str) -> str:
        """Return the name of a team."""
        return team_name(self._visit, team)

    def told(self, rule: Rule) -> Told:
        """Say a rule."""
        return Told(
            rule=rule,
            when=tuple(self.why.condition(single.label) for single in singles(rule.when)),
            unless=tuple(self.why.condition(single.label) for single in singles(rule.unless)),
            then=tuple(self.why.action(did) for did in described(rule)),
            active=self._active(rule),
        )

    def _active(self, rule: Rule) -> str:
        if rule.active is None:
            return ""
        say = catalogue(self._language).gettext
        first, last = rule.active.first, rule.active.last
        words = [say(_("from %(day)s")) % {"day": day(first, self._language)}] if first else []
        words += [say(_("until %(day)s")) % {"day": day(last, self._language)}] if last else []
        return " ".join(words)
