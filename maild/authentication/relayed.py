"""The word of a trusted relay as evidence: what it wrote into `Authentication-Results`, kept like our own findings.

The machine in front of maild saw the sender's; maild saw only that machine. Source: RFC 8601 §2.7.
"""

from __future__ import annotations

from collections.abc import Iterable

from maild.authentication.author import read_author
from maild.mail.authentication import RESULTS, Result, Results, results_of, verdicts_of
from maild.mail.evidence import Dkim, Dmarc, Evidence, Spf
from maild.mail.header import Field

_MAX_SIGNATURES = 10
_MAX_TEXT = 320


def evidence_of(
    fields: Iterable[Field], believed: Iterable[str], *, null_path: bool, received_ms: int
) -> Evidence | None:
    """Return what the relay said; None when it said nothing. The arguments are those of `verdicts_of`."""
    fields, believed = tuple(fields), tuple(believed)
    found = results_of(fields, believed)
    if not found:
        return None
    verdicts = verdicts_of(fields, believed, null_path=null_path)
    results = [result for each in found for result in each.results]
    # Security: which of several authors the relay has looked at, the list of letters does not know.
    author = _of("dmarc", verdicts.dmarc, results, "header.from") if read_author(fields).verifiable else ""
    return Evidence(
        checked_ms=received_ms,
        spf=_spf(verdicts.spf, results),
        dkim=_dkim(found),
        dmarc=Dmarc(result=verdicts.dmarc, domain=author),
        relay=found[0].authserv_id[:_MAX_TEXT],
    )


def _spf(word: str, results: list[Result]) -> Spf:
    mailfrom = _of("spf", word, results, "smtp.mailfrom")
    if mailfrom:
        return Spf(result=word, domain=mailfrom.rpartition("@")[2].lower())
    return Spf(result=word, domain=_of("spf", word, results, "smtp.helo").lower(), identity="helo")


def _dkim(found: list[Results]) -> tuple[Dkim, ...]:
    """Return the signatures that the topmost field names which names any: whose word counts (`verdicts_of`)."""
    speaking = ([r for r in each.results if r.method == "dkim" and r.result in RESULTS["dkim"]] for each in found)
    named = next((results for results in speaking if results), [])
    return tuple(
        Dkim(
            result=result.result,
            domain=_property(result, "header.d") or _property(result, "header.i").rpartition("@")[2],
            selector=_property(result, "header.s"),
            algorithm=_property(result, "header.a"),
            agent=_property(result, "header.i"),
        )
        for result in named[:_MAX_SIGNATURES]
    )


def _of(method: str, word: str, results: list[Result], name: str) -> str:
    matching = (result for result in results if result.method == method and result.result == word)
    return next((value for result in matching if (value := _property(result, name))), "")


def _property(result: Result, name: str) -> str:
    return next((value for key, value in result.properties if key == name), "").lower()[:_MAX_TEXT]
