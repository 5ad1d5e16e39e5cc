"""What rules that only observe would have done: for whoever decides whether they shall act.

Security: who edits rules need not read mail. Letters are named by their day, and are links for their readers alone.
"""

from __future__ import annotations

from functools import partial

from babel.numbers import format_percent
from starlette.responses import Response

from maild.archive.observations import mail_count, observed
from maild.errors import NotFoundError
from maild.web.shell import shell_of, team_name
from maild.web.times import DAY_MS, size
from maild.web.visit import Visit
from maild.web.why_words import Words

DAYS = (7, 30, 90)


async def page(visit: Visit) -> Response:
    """Show what was observed in the last days."""
    days = visit.request.query_params.get("days", "30")
    if days not in map(str, DAYS):
        raise NotFoundError("there is no such list")
    rules = visit.services.rulebook.current
    observing = {rule.id: rule for rule in rules.rules if rule.observe}
    since_ms = visit.now_ms - int(days) * DAY_MS
    found = await visit.read(observed, visible=visit.visible, since_ms=since_ms, rules=tuple(observing))
    mail = await visit.read(mail_count, since_ms)
    return visit.page(
        "rules_observed.html",
        shell=await shell_of(visit),
        found=found,
        observing=observing,
        mail=mail,
        days=int(days),
        choices=DAYS,
        words=Words(visit.language, partial(team_name, visit), partial(size, language=visit.language)),
        share=lambda count: format_percent(
            round(count / mail, 3) if mail else 0, locale=visit.language, decimal_quantization=False
        ),
    )
