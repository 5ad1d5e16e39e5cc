"""Who really sent a mail: the resolver, the examiner and the inspector, built from the settings."""

from __future__ import annotations

from maild.app.serving import Serving
from maild.authentication.disposition import Setting
from maild.authentication.examiner import Examiner, Terms
from maild.config import Settings
from maild.confinement import Pool
from maild.dns.answer import Resolver
from maild.intake.inspection import Inspector

# The tag of a letter that fails, by the language of the organisation.
MARKS = {"de": "verdacht", "en": "suspicious"}


def examiner_of(settings: Settings, resolver: Resolver, rulebook: Serving) -> Examiner | None:
    """Return who examines senders; None when nobody is to."""
    section = settings.authentication
    if not section.check:
        return None
    terms = Terms(
        # A mail server in front that reports nothing is not the sender's machine all the same: its address would fail.
        exempt=(*section.own_networks, *settings.smtp.trusted_relays),
        sealers=frozenset(domain.lower().rstrip(".") for domain in section.trusted_sealers),
        setting=Setting(section.dmarc),
        mark=lambda: MARKS.get(rulebook.current.organisation.language, MARKS["en"]),
        limit_s=section.limit_s,
    )
    return Examiner(resolver, terms)


def inspector_of(settings: Settings, pool: Pool, examiner: Examiner | None) -> Inspector | None:
    """Return who looks at senders before the 250."""
    if examiner is None:
        return None
    return Inspector(pool, examiner, settings.trusted_relays)
