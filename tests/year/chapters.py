"""The chapters of the year, in their order."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, timedelta

from tests.year.seated import Seated
from tests.year.story import CENTRE, NAMES, NORTH, SOUTH, Year


def begin(year: Year) -> None:
    """January: the accounts are made, everybody comes in by their link, and the first letters are seen to."""
    year.at(1, 4, 8)
    technik = year.person("technik")
    year.operator("account", "technik")
    for _ in ("administrator", "manager of the team that comes with a new house"):
        year.operator("granted", "technik")
    roles = {
        "anna": ("manager", CENTRE), "bernd": ("coordinator", CENTRE), "clara": ("coordinator", NORTH),
        "dirk": ("responder", NORTH), "eva": ("coordinator", SOUTH),
    }  # fmt: skip
    for login, (role, team) in roles.items():
        link = technik.make_account(login, NAMES[login])
        technik.grant(login, role, team)
        year.person(login).enter(link)
    year.tell("Five people get their accounts, by links that each opens once, and their roles.")
    if year.screens is None:  # the year that goes by in the suite
        year.town.cheapen_passwords()
    year.at(1, 5, 10)
    year.ordinary()
    year.look("the first letters", lists=False)


def ordinary_days(year: Year) -> None:
    """January and February: letters are answered, assigned, noted upon, handed to a region and back, and waited for."""
    anna, bernd, dirk, eva = (year.person(each) for each in ("anna", "bernd", "dirk", "eva"))
    year.at(1, 6)
    member = [year.post.letter(year.town.clock.now, "mitglieder", member="frau.petersen", subject="Ortsverein Kiel")]
    year.comes("letters", member)
    reference = anna.find(CENTRE, "Ortsverein Kiel")
    year.seated("bernd").hand(reference, CENTRE, NORTH, "Kiel gehört zur Region Nord.")
    year.seated("clara").hand(reference, NORTH, CENTRE, "Die Mitgliedschaft ist noch bei der Zentrale geführt.")
    bernd.hand(reference, CENTRE, NORTH, "Umgemeldet; bitte dort antworten.")
    year.tell("The centre assigns a conversation to a region, gets it back with a reason, and assigns it again.")
    year.seated("clara").assign(reference, NORTH, "dirk")
    dirk.note(reference, "Ich frage den Ortsverein.", mention="clara")
    dirk.answer(reference, "der Ortsverein trifft sich am ersten Montag.", after="waiting")
    year.town.wait_sent()
    answer = year.town.next_hop.to("frau.petersen@post.example")[-1]
    year.at(1, 11)
    year.comes("letters", [year.post.reply(year.town.clock.now, answer)])
    assert reference in {row.reference for row in dirk.listing(NORTH, "mine")}
    year.tell("The member answers; the conversation opens again with who has it.")

    year.comes(
        "letters", [year.post.letter(year.town.clock.now, "sued", member="herr.huber", subject="Ehrung im März")]
    )
    later = eva.find(SOUTH, "Ehrung im März")
    eva.take(later, SOUTH)
    eva.tag(later, SOUTH, "ehrung")
    eva.raise_priority(later, SOUTH)
    eva.wait_until(later, SOUTH, date(2027, 2, 2))
    year.at(1, 20)
    year.ordinary()
    for login, team in (("anna", CENTRE), ("dirk", NORTH), ("eva", SOUTH)):
        found = year.person(login).listing(team, "unassigned")
        for row in found[: max(1, len(found) // 2)]:
            year.person(login).take(row.reference, team)
            year.person(login).answer(row.reference, "das haben wir geändert.")
    year.town.wait_sent()
    # One of these answers cannot be delivered: a real server says so, to the envelope that it came with.
    gone = next(each for each in reversed(year.town.next_hop.taken) if each.sender.startswith("bounces+"))
    year.comes("returned answers", [year.post.returned(year.town.clock.now, gone)])
    year.tell("Letters are answered; one answer comes back, and its conversation is open again.")
    year.look("an answer has come back", lists=False)


def illness(year: Year) -> None:
    """February: somebody falls ill, then who stands in for them; each is the deputy of the other."""
    bernd, clara, dirk = (year.person(each) for each in ("bernd", "clara", "dirk"))
    year.at(2, 1)
    year.ordinary()
    for row in dirk.listing(NORTH, "unassigned"):
        dirk.take(row.reference, NORTH)
    year.town.stop()  # a night with a restart: what the clock brought meanwhile is done at the start
    year.at(2, 8, 7)
    year.town.start()
    waited = "SELECT count(*) FROM entries WHERE team = 'zentrale.sued' AND state = 'open' AND priority = 2"
    year.town.wait_for(waited, "what waited until February is open again")
    year.at(2, 8, 8)
    year.seated("clara").mark_absent("dirk", deputy="clara")
    year.tell("Dirk is ill on Monday morning; Clara notes it, and stands in.")
    year.ordinary()
    answered = next(each for each in year.town.next_hop.taken if each.recipient == "frau.petersen@post.example")
    year.comes("letters", [year.post.reply(year.town.clock.now, answered, "eilt: die Versammlung ist morgen!")])
    year.look("the first is ill", lists=False)
    year.at(2, 10, 8)
    year.seated("bernd").mark_absent("clara", deputy="dirk")
    year.tell("Clara is ill as well, and names Dirk, who is ill: the circle ends with the team.")
    year.look("the deputy is ill, too")
    free = {row.reference: row for row in bernd.listing(NORTH, "unassigned")}
    urgent = bernd.find(NORTH, "Ortsverein Kiel", "unassigned")
    assert urgent in free
    year.seated("bernd").answer(urgent, "die Versammlung ist um 19 Uhr.")
    year.at(2, 22, 8)
    dirk.come_back("all-back")
    year.tell("Dirk is back, reads what happened meanwhile, and takes his conversations back.")
    year.at(3, 1, 8)
    clara.come_back("all-stay")
    year.look("both are back", lists=False)


def dunning(year: Year) -> None:
    """March: a colleague is lent to the centre, and three thousand letters and four hundred returns come."""
    anna, bernd, eva = (year.person(each) for each in ("anna", "bernd", "eva"))
    year.at(3, 2, 8)
    anna.grant("eva", "responder", CENTRE, last=date(2027, 3, 31))
    year.tell("Eva is lent to the centre until 31 March.")
    now, scale = year.at(3, 8, 9), year.scale
    letters = [
        year.post.letter(now, "mahnung", subject=f"Mahnung, Mitgliedsnummer {10_000 + n}", text="ich habe bezahlt.")
        for n in range(scale.dunning)
    ]
    returns = list(year.post.dunning_returns(now, scale.returned))
    year.comes("dunning letters", letters[: len(letters) // 2])
    year.comes("dunning returns", returns)
    year.comes("dunning letters", letters[len(letters) // 2 : -1])
    _comes_by_itself(year, letters[-1])
    year.tell(f"The dunning run: {scale.dunning} letters and {scale.returned} returns.")
    register = bernd.open("/returned.csv?team=zentrale").text
    bernd.did("exported", about="returned.csv")
    known = sum(register.count(f"verzogen{n}@") > 0 for n in range(scale.returned))
    assert known == scale.returned, f"the register has {known} of {scale.returned} returns"
    helpers = (anna, bernd, eva)
    for number in range(scale.answered):
        helper = helpers[number % 3]
        offered = helper.offered(CENTRE)
        assert offered is not None
        helper.take(*offered)
        helper.answer(offered[0], "Ihre Zahlung ist eingegangen, die Mahnung ist gegenstandslos.")
    year.town.wait_sent()
    year.tell(f"Three people ask for something to do and answer {scale.answered} of them one by one.")
    year.look("the dunning peak", lists=False)
    year.at(3, 15, 9)
    for helper in (anna, bernd):
        for number in range(max(1, scale.dunning // 300)):
            rows = [row for row in next(iter(helper.pages(CENTRE, "unassigned"))).rows if "Mahnung" in row.subject]
            who = helper if number else year.seated(helper.login)
            who.select(CENTRE, "unassigned", rows[:40], "state", do="closed")
    rows = next(iter(eva.pages(CENTRE, "unassigned"))).rows
    eva.select(CENTRE, "unassigned", rows[: max(3, scale.dunning // 100)][:50], "assigned", do="take")
    year.tell("Whoever has paid meanwhile is closed in bulk; Eva takes some for the next days.")
    year.look("before the helper leaves", lists=False)
    year.at(4, 1, 8)
    gone = eva.open(f"/inbox/{CENTRE}", expect=404)
    assert gone.path == f"/inbox/{CENTRE}"
    year.tell("On 1 April Eva's loan is over: the centre's inbox is not there for her any more.")
    year.look("the helper's right has ended")


def _comes_by_itself(year: Year, letter: tuple[str, str, bytes]) -> None:
    """Let one letter come while somebody has the list before their eyes."""
    bernd = year.seated("bernd")
    if year.screens is None:
        year.comes("dunning letters", [letter])
        return
    assert isinstance(bernd, Seated)
    bernd.watch(CENTRE)
    before_s = time.monotonic()
    year.comes("dunning letters", [letter])
    waited_s = bernd.sees(f"Mahnung, Mitgliedsnummer {10_000 + year.scale.dunning - 1}", before_s)
    year.tell(f"The last of them comes up on Bernd's open list by itself, {waited_s:.1f} s after it was handed in.")


def election(year: Year) -> None:
    """May: somebody is newly elected; the right begins on its day."""
    technik = year.person("technik")
    year.at(5, 3, 9)
    link = technik.make_account("falk", NAMES["falk"])
    technik.grant("falk", "responder", SOUTH, first=date(2027, 5, 10))
    falk = year.person("falk")
    falk.enter(link)
    falk.open(f"/inbox/{SOUTH}", expect=404)
    year.ordinary()
    year.at(5, 10, 9)
    year.seated("falk").begin()
    found = falk.listing(SOUTH, "unassigned")
    falk.take(found[0].reference, SOUTH)
    year.seated("falk").answer(found[0].reference, "ich bin neu gewählt und kümmere mich darum.")
    year.tell("Falk is newly elected: his link opens at once, the inbox on the day, with the whole story.")
    year.look("the newly elected is there", lists=False)


def retirement(year: Year) -> None:
    """June: somebody retires, and everything they hold goes over in one act."""
    clara, dirk = year.person("clara"), year.person("dirk")
    year.at(6, 14, 9)
    year.ordinary()
    for row in dirk.listing(NORTH, "unassigned"):
        dirk.take(row.reference, NORTH)
    year.at(6, 21, 9)
    held = year.store().held_by("dirk")
    assert held, "who retires has something to hand over"
    year.town.maild("handover", "dirk", expect=1)
    _hand_all_over(year, held)
    page = clara.open(f"/inbox/{NORTH}")
    assert "Dirk Dahl" in page.text
    clara.press(page, "/handovers")
    year.look("handed over", lists=False)
    year.town.stop()
    year.at(7, 1, 7)
    year.town.start()
    year.town.wait_for(
        "SELECT count(*) FROM users WHERE login = 'dirk' AND disabled_ms IS NOT NULL", "the account closes"
    )
    assert dirk.is_turned_away()
    year.tell("Dirk retires: what he holds goes to Clara in one act; on 1 July the account is closed.")
    year.look("the retired one has gone")


def _hand_all_over(year: Year, held: Sequence[str]) -> None:
    """On the page where there is a browser, else on the command line; recorded alike."""
    last, technik = date(2027, 6, 30), year.seated("technik")
    if isinstance(technik, Seated):
        technik.hand_all_over(NAMES["dirk"], {NORTH: "clara"}, last)
        did = technik.did
    else:
        year.town.maild("handover", "dirk", "--to", "clara", "--until", last.isoformat(), "--yes")
        did = year.person("operator").did
    did("left", about="dirk")
    for reference in held:
        did("assigned", reference)
        did("noted", reference)


def summer(year: Year) -> None:
    """July to September: holidays with deputies, a helper for the region, two conversations that were one."""
    anna, bernd, eva, falk = (year.person(each) for each in ("anna", "bernd", "eva", "falk"))
    year.at(7, 12, 9)
    year.ordinary()
    for row in eva.listing(SOUTH, "unassigned"):
        eva.take(row.reference, SOUTH)
    eva.mark_absent("eva", first=date(2027, 7, 19), last=date(2027, 8, 6), deputy="falk")
    anna.mark_absent("anna", first=date(2027, 7, 26), last=date(2027, 8, 13), deputy="bernd")
    year.at(7, 27, 9)
    year.ordinary()
    year.look("holidays", lists=False)
    for row in falk.listing(SOUTH, "mine")[:2]:
        year.seated("falk").answer(row.reference, "ich vertrete Frau Ernst.")
    year.at(8, 9, 9)
    page = eva.open("/")
    assert page.path == "/absences/return", page.url
    eva.settle("chosen", page)
    year.at(8, 16, 9)
    anna.settle("all-back")
    year.tell("Holidays: the deputies stand in by themselves from the first day to the last.")
    year.at(9, 6, 9)
    subjects = ("Spendenquittung verloren", "Noch einmal wegen der Quittung")
    now = year.town.clock.now
    year.comes(
        "letters", [year.post.letter(now, "mitglieder", member=f"k{n}", subject=s) for n, s in enumerate(subjects)]
    )
    one, other = (bernd.find(CENTRE, subject) for subject in subjects)
    bernd.merge(one, CENTRE, other)
    bernd.answer(bernd.find(CENTRE, "Quittung"), "die Quittung ist unterwegs.", also={})
    year.ordinary()
    year.look("autumn", lists=False)


def to_and_fro(year: Year) -> None:
    """October: a conversation that nobody wants is told to both coordinators."""
    bernd, clara = year.person("bernd"), year.person("clara")
    year.at(10, 4, 9)
    now = year.town.clock.now
    year.comes("letters", [year.post.letter(now, "mitglieder", member="herr.olsen", subject="Zuständigkeit Lübeck")])
    reference = bernd.find(CENTRE, "Zuständigkeit Lübeck")
    for number in range(2):
        bernd.hand(reference, CENTRE, NORTH, f"Bitte übernehmen ({number}).")
        clara.hand(reference, NORTH, CENTRE, f"Nicht von uns ({number}).")
    for person, team in ((bernd, CENTRE), (clara, NORTH)):
        assert "Zuständigkeit Lübeck" in person.open(f"/inbox/{team}?state=closed").text.partition('id="list"')[0]
    bernd.take(reference, CENTRE)
    bernd.answer(reference, "zuständig ist künftig die Zentrale.")
    year.tell("A conversation goes to and fro four times: both coordinators are told, and one of them answers it.")


def christmas(year: Year) -> None:
    """December: nobody is at the centre, and the region that is its deputy covers it."""
    anna, bernd, clara = (year.person(each) for each in ("anna", "bernd", "clara"))
    year.at(12, 13, 9)
    year.ordinary()
    for person in (anna, bernd):
        found = person.listing(CENTRE, "unassigned", most_pages=1)
        person.select(CENTRE, "unassigned", found[:5], "assigned", do="take")
        person.mark_absent(person.login, first=date(2027, 12, 23), last=date(2028, 1, 2))
    year.town.stop()
    year.at(12, 27, 8)
    year.town.start()
    covered = "SELECT count(*) FROM team_covers WHERE team = 'zentrale'"
    year.town.wait_for(covered, "the region covers the centre")
    now = year.town.clock.now
    year.comes("letters", [year.post.letter(now + timedelta(minutes=1), "mitglieder", member="frau.lang",
                                            subject="Spende noch in diesem Jahr")])  # fmt: skip
    clara.answer(clara.find(CENTRE, "Spende noch in diesem Jahr"), "sie ist für dieses Jahr verbucht.")
    year.town.wait_sent()
    year.tell("Between the years nobody is at the centre: the region North covers it, and answers for it.")
    year.look("nobody is at the centre")


def end(year: Year) -> None:
    """31 December: the last look."""
    year.at(12, 31, 12)
    year.town.wait_sent()
    year.look("the last day of the year")


ALL = (
    begin, ordinary_days, illness, dunning, election, retirement, summer, to_and_fro, christmas, end,
)  # fmt: skip
