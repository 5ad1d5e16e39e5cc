"""The report of a year, in plain text: what came, what was answered, and for all else who sees it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from tests.year.oracle import Compared, Fate, compare
from tests.year.story import Look, Year

_FATES = {
    "answered": "answered by a person, with nothing from outside after it",
    "closed by a person": "closed by a person, without a letter",
    "open": "open, and seen",
    "waiting": "waiting, and seen",
    "filed away": "closed, by nobody",
    "unseen": "UNSEEN",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the year comes to."""

    looks: tuple[Look, ...]
    fates: tuple[Fate, ...]
    compared: Compared
    failures: tuple[str, ...]
    text: str

    @property
    def is_good(self) -> bool:
        seen = not any(each.unseen or each.unlisted for each in self.looks)
        fine = seen and not self.of("unseen") and not self.of("filed away")
        return fine and not (self.compared.missing or self.compared.surplus or self.failures)

    def of(self, how: str) -> list[Fate]:
        return [each for each in self.fates if each.how == how]


def judge(year: Year) -> Judged:
    """Hold the year to its promises, after it is over and the daemon has ended."""
    fates = tuple(year.store().fates())
    year.operator("exported", "audit log")
    log = year.town.maild("audit", "export")
    compared = compare(year.ledger.done, log.splitlines(), year.store().references)
    key = year.town.maild("audit", "key").strip()
    export = year.town.directory / "audit.jsonl"
    export.write_text(log)
    year.town.maild("audit", "check", str(export), "--key", key)
    year.town.maild("verify")
    failures = tuple(year.town.failures())
    text = "\n".join(_lines(year, fates, compared, failures)) + "\n"
    return Judged(looks=tuple(year.looks), fates=fates, compared=compared, failures=failures, text=text)


def _lines(year: Year, fates: tuple[Fate, ...], compared: Compared, failures: tuple[str, ...]) -> Iterable[str]:
    yield "A year: six people, a centre and two regions"
    yield ""
    for day, told in year.told:
        yield f"  {day}  {told}"
    yield ""
    yield "What came"
    for kind, count in year.received.items():
        yield f"  {count:6}  {kind}"
    yield f"  {len(year.town.next_hop.taken):6}  letters went out"
    yield ""
    yield "Open conversations on the days of change: how they are seen, and by whom"
    for look in year.looks:
        ways = ", ".join(f"{count} {way}" for way, count in sorted(look.ways.items()))
        lists = "" if look.unlisted is None else f"; all lists read, missing there: {len(look.unlisted)}"
        yield f"  {look.day}  {look.title}: {ways}"
        yield f"              seen by {', '.join(look.present)}; unseen: {len(look.unseen)}{lists}"
    yield ""
    yield f"At the end of the year: {len(fates)} conversations"
    for how, words in _FATES.items():
        found = [each for each in fates if each.how == how]
        yield f"  {len(found):6}  {words}"
        if how in {"open", "waiting"}:
            for people, count in Counter(each.people for each in found).most_common():
                yield f"            {count:6}  by {', '.join(people)}"
    yield ""
    yield "The audit log"
    yield f"  {compared.found:6}  acts of this script are in it"
    yield f"  {len(compared.missing):6}  acts of this script are missing"
    yield f"  {len(compared.surplus):6}  acts that nobody of this script did"
    acts = Counter(each.act for each in year.ledger.done)
    yield "          " + ", ".join(f"{act} {count}" for act, count in sorted(acts.items()))
    yield "  signed, and as it was signed; the archive is complete (maild verify)"
    yield f"  {len(failures):6}  warnings and errors in the log after the first readers were there"
