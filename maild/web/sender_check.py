"""What was found out about a sender, method by method, for the page of one message.

Every value may be a stranger's: nothing that cannot be seen is left in it, and names that pass for others are in
A-labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maild.mail.authentication import Verdicts
from maild.mail.evidence import Arc, Dkim, Dmarc, Evidence, Spf
from maild.web.language import catalogue
from maild.web.letter_warnings import shown_text
from maild.web.sender_words import safe_domain

_MAX_TEXT = 300
_MAX_RECORD = 20_000


def _(text: str) -> str:
    """Mark words for translation."""
    return text


_RESULTS = {
    "pass": _("passed"),
    "fail": _("failed"),
    "softfail": _("probably not from there"),
    "neutral": _("nothing said"),
    "none": _("not there"),
    "policy": _("not accepted"),
    "temperror": _("no answer at that time"),
    "permerror": _("faulty"),
}
_POLICIES = {
    "none": _("nothing"),
    "quarantine": _("treat as suspicious"),
    "reject": _("refuse"),
}
_OVERRIDES = {
    "arc": _("The domain asks to refuse such letters. It was accepted because a trusted forwarder vouches for it."),
    "policy": _("The domain asks to refuse such letters. It was accepted because maild is set so."),
    "testing": _("The domain only tries out what it asks for: the letter was accepted."),
}
_OTHER_OVERRIDE = _("The domain asks to refuse such letters. It was accepted all the same.")
_YES, _NO = _("yes"), _("no")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What one method came to: the result in plain words, and the technical word."""

    method: str
    result: str
    word: str
    domain: str
    details: tuple[tuple[str, str], ...] = ()
    record: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """All of it. `relay` is whose word was taken; `override` a sentence, or empty."""

    methods: tuple[Checked, ...]
    checked_ms: int
    relay: str
    override: str


def check_of(evidence: Evidence, language: str) -> Check:
    """Return the evidence in the words of a language."""
    words = _Words(language)
    signatures = [words.dkim(each) for each in evidence.dkim]
    override = words.say(_OVERRIDES.get(evidence.override, _OTHER_OVERRIDE)) if evidence.override else ""
    return Check(
        methods=(
            words.spf(evidence.spf),
            *(signatures or [words.checked("DKIM", "none", "")]),
            words.dmarc(evidence.dmarc),
            words.arc(evidence.arc),
        ),
        checked_ms=evidence.checked_ms,
        relay=safe_domain(evidence.relay),
        override=override,
    )


class _Words:
    """The words of one language."""

    def __init__(self, language: str) -> None:
        self.say = catalogue(language).gettext

    def checked(self, method: str, word: str, domain: str, *details: tuple[str, str], record: str = "") -> Checked:
        """Return a row; details without a value are left out."""
        return Checked(
            method=method,
            result=self.known(_RESULTS, word),
            word=_short(word),
            domain=safe_domain(domain),
            details=tuple((self.say(label), _short(value)) for label, value in details if value),
            record=shown_text(record)[:_MAX_RECORD],
        )

    def spf(self, spf: Spf) -> Checked:
        asked = _("Greeting of the machine (HELO)") if spf.identity == "helo" else _("Envelope sender")
        return self.checked(
            "SPF",
            spf.result,
            spf.domain,
            (_("Asked about"), self.say(asked) if spf.domain else ""),
            (_("Reason"), spf.reason),
            record=spf.record,
        )

    def dkim(self, dkim: Dkim) -> Checked:
        algorithm = ", ".join(filter(None, (dkim.algorithm, f"{dkim.key_bits} bit" if dkim.key_bits else "")))
        return self.checked(
            "DKIM",
            dkim.result,
            dkim.domain,
            (_("Selector"), dkim.selector),
            (_("Algorithm and key"), algorithm),
            (_("Digest of the key"), dkim.key_digest),
            (_("Signed for"), dkim.agent),
            (_("Proven by DNSSEC"), self.say(_YES) if dkim.secure else ""),
            (_("The domain only tries it"), self.say(_YES) if dkim.testing else ""),
            (_("Added to what it signs"), dkim.uncovered),
            (_("Reason"), dkim.reason),
        )

    def dmarc(self, dmarc: Dmarc) -> Checked:
        aligned = (("SPF", dmarc.spf_aligned), ("DKIM", dmarc.dkim_aligned))
        policy = "" if dmarc.result == "none" else f"{self.known(_POLICIES, dmarc.policy)} ({dmarc.policy})"
        return self.checked(
            "DMARC",
            dmarc.result,
            dmarc.domain,
            (_("Proven by"), ", ".join(name for name, proven in aligned if proven)),
            (_("What the domain asks for"), policy),
            (_("Organisation"), safe_domain(dmarc.organisation)),
            (_("Record found at"), safe_domain(dmarc.record_domain)),
            (_("The domain only tries it"), self.say(_YES) if dmarc.testing else ""),
            (_("Reason"), dmarc.reason),
            record=dmarc.record,
        )

    def arc(self, arc: Arc) -> Checked:
        sealers = ", ".join(map(safe_domain, arc.sealers))
        said = "" if arc.verdicts == Verdicts() else ", ".join(_said(arc.verdicts))
        return self.checked(
            "ARC",
            arc.result,
            arc.sealers[0] if arc.sealers else "",
            (_("Sealed by"), sealers),
            (_("Trusted"), self.say(_YES if arc.trusted else _NO) if arc.sealers else ""),
            (_("Found there"), said),
            (_("Reason"), arc.reason),
        )

    def known(self, words: Mapping[str, str], word: str) -> str:
        return self.say(words[word]) if word in words else _short(word)


def _said(verdicts: Verdicts) -> tuple[str, ...]:
    return tuple(f"{name.upper()} {word}" for name, word in verdicts._asdict().items())


def _short(text: str) -> str:
    shown = shown_text(text)
    return shown if len(shown) <= _MAX_TEXT else shown[:_MAX_TEXT] + "…"
