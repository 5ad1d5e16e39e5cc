"""T6, the Ticket Trick: a stranger has a service send a code or a link to an address of ours, and reads it through us.

Expected: such mail is seen by a team's leads alone, it is not answered, copied, digested or sent on by itself; where no
lead is there, the team sees it; the addresses that prove who owns a domain are no ordinary team's.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from datetime import UTC, datetime
from textwrap import indent

import pytest
from httpx2 import Response
from sqlalchemy import select

from maild.archive.duties import duties_of
from maild.archive.schema import entries, filings
from maild.archive.schema_people import audit
from maild.mail.inbox import confidential, unled
from maild.mail.reading import facts_of
from maild.policy.digests import DAILY
from maild.policy.roles import Role
from maild.policy.visible import OPERATOR
from maild.router.comparing import Asked, Compared, Versions, compare_batch
from maild.rules.engine import route
from maild.rules.explain import render_route
from maild.rules.loader import load
from maild.rules.making_tests import write_test
from maild.rules.model import Letter
from maild.rules.recorded_places import placements, recorded_routes
from maild.rules.trace_form import trace_json
from maild.rules.untouched import untouched
from tests.intake.copying import Exchange
from tests.intake.digesting import HOUR_MS, Newsroom
from tests.mail.account_letters import ARE, Sample
from tests.rules.samples import codes, rules_of, to
from tests.security.crawling import FORMS, objects_of, pages
from tests.web.office import RULES, Office, own_token, rules, shown_id

CODE, SERVICE = "482913", "noreply@dienst.example"
CANARY = "kanarie6"
INNER = confidential("kita")
KITA, NOW = to("kita@musterstadt.example"), datetime(2026, 6, 1, 12, tzinfo=UTC)
ASKING = (
    RULES.replace("title: Kita-Platzvergabe,", "title: Kita-Platzvergabe, acknowledge: eingang,")
    .replace(
        "    office: Amt 51, Jugendamt\n",
        "    office: Amt 51, Jugendamt\n    copies: allowed\n    also_deliver: [{maildir: /var/mail/kita}]\n",
    )
    .replace("rules:\n", "templates: {eingang: {text: '{conversation.subject}'}, frist: {text: bald}}\nrules:\n")
) + "  - {id: weiter, when: {from: '@dienst.example'}, then: {forward: rat@kreis.example, reply: frist, tag: dienst}}\n"


def code_mail(key: str = "", extra: str = "", to: str = "kita.platzvergabe@musterstadt.example") -> str:
    return (
        f"From: Dienst {CANARY} <{SERVICE}>\nTo: {to}\nSubject: {CANARY} Ihr Bestätigungscode {CODE}\n"
        + (f"Message-ID: <{key}>\n" if key else "")
        + extra
        + "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
        + f"{CANARY}: Ihr Bestätigungscode lautet {CODE}.\n"
    )


def inboxes(office: Office, number: int) -> set[str]:
    with office.database.read() as connection:
        return set(connection.scalars(select(filings.c.team).where(filings.c.message_id == number)))


def duties(office: Office, number: int) -> set[tuple[str, str, str]]:
    with office.database.read() as connection:
        found = duties_of(connection, visible=OPERATOR, message_ids=[number]).get(number, ())
    return {(duty.team, duty.kind, duty.target) for duty in found}


@pytest.fixture
def asking(office: Office) -> Office:
    office.book.current = rules(ASKING)
    office.user("petra", (Role.COORDINATOR, "kita"))
    office.user("lena", (Role.MANAGER, "kita"))
    office.user("nora", (Role.COORDINATOR, INNER))
    return office


# --- who sees it --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", ARE, ids=lambda sample: sample.name)
def test_mail_that_hands_over_an_account_comes_to_the_leads_alone(asking: Office, sample: Sample) -> None:
    assert inboxes(asking, asking.mail(sample.octets, sender=SERVICE)) == {INNER}


def test_who_only_works_in_the_team_meets_it_nowhere(asking: Office) -> None:
    number = asking.mail(code_mail(), sender=SERVICE)
    objects = objects_of(asking, INNER, number)
    with asking.client("petra") as client:
        assert client.get(f"/inbox/{INNER}").status_code == 404
        for asked in (CANARY[:5] + "*", CODE[:4] + "*", "team:kita", "is:open", "larger:1", f"id:{objects.id}"):
            _clean(client.get("/search", params={"q": asked}))
        for page in pages(asking):
            path = objects.path(page)
            if "GET" in page.methods:
                _clean(client.get(path))
            elif page.path != "/logout":
                form = {"token": own_token(client), "team": INNER, **FORMS[page.path]}
                _clean(client.post(path, data=form, follow_redirects=True))


def _clean(answer: Response) -> None:
    assert CANARY not in answer.text.lower(), answer.request.url
    assert CANARY not in repr(answer.headers).lower()


@pytest.mark.parametrize(("language", "said"), [("de", "für ein Konto anderswo"), ("en", "for an account elsewhere")])
def test_the_leads_read_why_they_alone_have_it(asking: Office, language: str, said: str) -> None:
    number = asking.mail(code_mail(), sender=SERVICE)
    with asking.client("lena", **{"accept-language": language}) as client:
        assert CANARY in client.get(f"/inbox/{INNER}").text
        assert said in client.get(f"/c/{asking.reference(number)}").text
        assert said in client.get(f"/m/{shown_id(number)}/why").text


def test_where_none_of_the_leads_is_there_the_team_sees_it_and_nothing_leaves_all_the_same(asking: Office) -> None:
    number = asking.mail(code_mail(), sender=SERVICE, unread=frozenset({unled("kita")}))
    assert inboxes(asking, number) == {"kita"}
    assert duties(asking, number) == {("kita", "forward", "rat@kreis.example"), ("kita", "hold", "account")}
    with asking.client("petra") as client:
        assert CANARY in client.get("/inbox/kita").text
        assert "im Posteingang des Teams selbst" in client.get(f"/m/{shown_id(number)}/why").text


def test_a_team_that_nobody_reads_has_it_with_the_leads_of_the_fallback(asking: Office) -> None:
    lost = frozenset({"kita", INNER, unled("kita")})
    assert inboxes(asking, asking.mail(code_mail(), sender=SERVICE, unread=lost)) == {
        "kita", confidential("poststelle"),
    }  # fmt: skip
    nobody = lost | {unled("poststelle")}
    assert inboxes(asking, asking.mail(code_mail(key="b@x.example"), sender=SERVICE, unread=nobody)) == {
        "kita", "poststelle",
    }  # fmt: skip


def test_what_people_write_in_the_same_exchange_is_seen_by_those_who_are_there(asking: Office) -> None:
    desk = "konto@dienst.example"
    asking.mail(code_mail("a@dienst.example").replace(SERVICE, desk), sender=desk)
    answer = (
        f"From: Helga Hilft <{desk}>\nSubject: Re: Code\nMessage-ID: <%s@dienst.example>\nUser-Agent: Thunderbird\n"
        f"In-Reply-To: <a@dienst.example>\n\nBitte melden Sie sich. > Ihr Code {CODE}\n"
    )
    first = asking.mail(answer % "b", sender=desk)
    assert inboxes(asking, first) == {INNER}
    nobody = frozenset({unled("kita")})
    assert inboxes(asking, asking.mail(answer % "c", sender=desk, unread=nobody)) == {"kita"}
    path = f"/c/{asking.reference(first)}"
    with asking.client("lena") as client:
        form = {"token": own_token(client), "team": INNER, "shown": _revision(asking, first, INNER), "do": "open"}
        assert client.post(f"{path}/hand", data=form).status_code == 303
    assert inboxes(asking, first) == {INNER, "kita"}


def test_mail_of_another_time_is_imported_as_it_was(asking: Office) -> None:
    assert inboxes(asking, asking.mail(code_mail(), sender=SERVICE, origin="import")) == {"kita"}


def test_several_teams_each_have_it_for_their_leads_where_there_are_some(asking: Office) -> None:
    both = ("kita@musterstadt.example", "info@musterstadt.example")
    number = asking.mail(code_mail(), both, sender=SERVICE, unread=frozenset({unled("poststelle")}))
    assert inboxes(asking, number) == {INNER, "poststelle"}


# --- by which ways it would leave ---------------------------------------------------------------------------------


def test_it_is_not_answered_not_copied_not_delivered_beside_and_sent_on_only_after_a_look(asking: Office) -> None:
    held = {(INNER, "forward", "rat@kreis.example"), (INNER, "hold", "account")}
    assert duties(asking, asking.mail(code_mail(), sender=SERVICE)) == held
    # The sender that would be answered, were it not for the code.
    by_person = code_mail(key="b@x.example").replace(SERVICE, "konto@dienst.example")
    assert duties(asking, asking.mail(by_person, sender="konto@dienst.example")) == held


def test_an_ordinary_mail_of_the_same_service_is_answered_and_sent_on_as_ever(asking: Office) -> None:
    plain = code_mail().replace("Bestätigungscode", "Brief").replace(SERVICE, "konto@dienst.example")
    found = duties(asking, asking.mail(plain, sender="konto@dienst.example"))
    assert {kind for _, kind, _ in found} == {"acknowledge", "reply", "forward", "also-deliver", "member-copy"} - {
        "member-copy"  # nobody of the team asked for one
    }


async def test_a_digest_says_nothing_of_it_but_that_there_is_something_to_who_may_read_it(database: object) -> None:
    opened = RULES.replace("office: Amt 51, Jugendamt\n", "office: Amt 51, Jugendamt\n    copies: allowed\n")
    room = Newsroom(Exchange(database, book=rules(opened)))  # type: ignore[arg-type]  # either database
    room.wishes(mode=DAILY, subjects=True, slot="2026-09-21")
    room.later(1_000)
    room.exchange.came(code_mail().replace("\n", "\r\n").encode(), ("kita@musterstadt.example",), sender=SERVICE)
    room.letter("Eigener Brief")
    room.later(16 * HOUR_MS)
    await room.task().once()
    said = (b"".join(room.octets()).decode("ascii") + "".join(room.texts())).lower()
    assert "eigener brief" in said
    assert CANARY not in said
    assert CODE not in said


# --- when it was a mistake, and when it is wanted -----------------------------------------------------------------


def test_a_manager_opens_it_to_the_team_by_one_act(asking: Office) -> None:
    number = asking.mail(code_mail(), sender=SERVICE)
    path = f"/c/{asking.reference(number)}"
    with asking.client("lena") as client:
        assert "Für das Team öffnen" in client.get(path).text
        form = {"token": own_token(client), "team": INNER, "shown": _revision(asking, number, INNER), "do": "open"}
        assert client.post(f"{path}/hand", data=form).status_code == 303
    assert inboxes(asking, number) == {INNER, "kita"}
    with asking.client("petra") as client:
        assert CANARY in client.get("/inbox/kita").text
        assert "Von der Leitung für das Team geöffnet" in client.get(path).text
    with asking.database.read() as connection:
        acts = set(connection.execute(select(audit.c.act, audit.c.team).where(audit.c.act == "confidential")).all())
    assert acts == {("confidential", INNER), ("confidential", "kita")}
    # What comes in the same exchange goes where it lies now.
    follow_up = code_mail(key="n@x.example")
    assert inboxes(asking, asking.mail(follow_up, sender=SERVICE)) == {INNER}  # another exchange is another matter


@pytest.mark.parametrize("login", ["nora", "petra"])
def test_nobody_else_opens_it(asking: Office, login: str) -> None:
    number = asking.mail(code_mail(), sender=SERVICE)
    path = f"/c/{asking.reference(number)}"
    with asking.client(login) as client:
        assert "Für das Team öffnen" not in client.get(path).text
        form = {"token": own_token(client), "team": INNER, "shown": _revision(asking, number, INNER), "do": "open"}
        assert client.post(f"{path}/hand", data=form).status_code in {403, 404}
    assert inboxes(asking, number) == {INNER}


def test_what_a_rule_has_made_confidential_is_not_opened(asking: Office) -> None:
    asking.book.current = rules(
        f"{ASKING}  - {{id: geheim, when: {{subject: {CANARY}}}, then: {{confidential: true}}}}\n"
    )
    number = asking.mail(code_mail(), sender=SERVICE)
    path = f"/c/{asking.reference(number)}"
    with asking.client("lena") as client:
        assert "Für das Team öffnen" not in client.get(path).text
        form = {"token": own_token(client), "team": INNER, "shown": _revision(asking, number, INNER), "do": "open"}
        client.post(f"{path}/hand", data=form)
    assert inboxes(asking, number) == {INNER}


def _revision(office: Office, number: int, inbox: str) -> str:
    asked = select(entries.c.revision).join_from(
        filings, entries, entries.c.conversation_id == filings.c.conversation_id
    )
    with office.database.read() as connection:
        found = connection.scalar(asked.where(filings.c.message_id == number, entries.c.team == inbox))
    return str(found)


TEAM_WANTS = ASKING.replace("    copies: allowed\n", "    copies: allowed\n    account_mail: team\n")
ADDRESS_WANTS = ASKING.replace("aliases: [kita]", "aliases: [kita], account_mail: team")


@pytest.mark.parametrize("text", [TEAM_WANTS, ADDRESS_WANTS], ids=["team", "address"])
def test_a_team_that_waits_for_such_mail_has_it_as_other_mail_and_it_is_not_answered(asking: Office, text: str) -> None:
    asking.book.current = rules(text)
    number = asking.mail(code_mail(), sender=SERVICE)
    assert inboxes(asking, number) == {"kita"}
    assert {kind for _, kind, _ in duties(asking, number)} == {"forward", "also-deliver"}


def test_an_address_says_leads_where_its_team_says_team(asking: Office) -> None:
    asking.book.current = rules(TEAM_WANTS.replace("aliases: [kita]", "aliases: [kita], account_mail: leads"))
    assert inboxes(asking, asking.mail(code_mail(), sender=SERVICE)) == {INNER}


@pytest.mark.parametrize("text", [TEAM_WANTS, ADDRESS_WANTS], ids=["team", "address"])
def test_a_rehearsal_shows_whom_a_change_lets_see_it(text: str) -> None:
    old, new = rules(ASKING), rules(text)
    versions = Versions(old, new, untouched(old, new))
    there = ("kita@musterstadt.example",)
    asked = [Asked(n, 1_790_000_000_000, SERVICE, there, 500) for n in (1, 2)]
    plain = code_mail().replace("Bestätigungscode", "Brief")
    found = compare_batch("v", pickle.dumps(versions), asked, code_mail().encode(), plain.encode())
    assert isinstance(found, Compared)
    assert [(change.message_id, change.old.teams, change.new.teams) for change in found.changes] == [
        (1, (INNER,), ("kita",))
    ]


def test_a_letter_on_paper_is_told_as_it_would_be_seen() -> None:
    found = route(rules(ASKING), Letter(facts=facts_of(code_mail().encode()), reverse_path=None, received_at=NOW), KITA)
    told = recorded_routes([json.loads(trace_json(found))])
    assert told is not None
    assert "seen by the leads of kita alone" in render_route(told[0])
    assert [place.inbox for place in placements(told)] == [INNER]


def test_a_test_that_is_made_of_such_a_letter_holds() -> None:
    letter = Letter(facts=facts_of(code_mail().encode()), reverse_path=None, received_at=NOW)
    written = write_test(rules(ASKING), letter, (KITA,)).entry
    assert "account_mail: true" in written
    assert CODE not in written
    rules(f"{ASKING}tests:\n{indent(written, '  ')}")


# --- the addresses that prove who owns a domain -------------------------------------------------------------------

HEAD = "teams: {poststelle: {name: P}, web: {name: W}, it: {name: I, domain_control: true}}\naddresses:\n"
TAKEN = {
    "an entry": "  webmaster: {team: web}\n",
    "in one domain": "  admin@musterstadt.example: {team: web}\n",
    "in capitals": "  HostMaster: {team: web}\n",
    "in fullwidth letters": "  \uff41\uff44\uff4d\uff49\uff4e: {team: web}\n",
    "an alias": "  web: {team: web, aliases: [redaktion, Administrator]}\n",
    "postmaster": "  postmaster: {team: web}\n",
    "abuse": "  abuse@musterstadt.example: {team: web}\n",
    "retired": "  web: {team: web}\n  ssl: {retired: {successor: web}}\n",
    "a rule": "  web: {team: web}\nrules:\n  - {id: r, when: {to: postmaster}, then: {deliver: web}}\n",
    "a rule that asks for others, too": "  web: {team: web}\nrules:\n"
    "  - {id: r, when: {any: [{subject: x}, {all: [{to: postmaster}, {subject: y}]}]}, then: {deliver: web}}\n",
    "a rule that copies": "  web: {team: web}\nrules:\n"
    "  - {id: r, when: {to: abuse@musterstadt.example, subject: x}, then: {copy: web}}\n",
}


@pytest.mark.parametrize("taken", TAKEN.values(), ids=TAKEN)
def test_no_ordinary_team_gets_an_address_that_proves_the_domain(taken: str) -> None:
    assert "reserved-address" in codes(HEAD + taken)


@pytest.mark.parametrize("team", ["poststelle", "it"])
def test_the_fallback_and_a_team_for_the_domain_may_have_them(team: str) -> None:
    assert "reserved-address" not in codes(
        HEAD + f"  webmaster: {{team: {team}, aliases: [admin]}}\n  web: {{team: web}}\n"
    )


def test_a_detail_takes_no_reserved_address_either() -> None:
    assert "bad-address" in codes(HEAD + "  admin+x: {team: web}\n")


@pytest.mark.parametrize("local", ["webmaster", "Admin+x", "POSTMASTER"])
def test_a_code_that_comes_by_such_an_address_is_for_the_leads_whatever_the_team_says(
    asking: Office, local: str
) -> None:
    entries_ = "addresses:\n  webmaster: {team: poststelle, aliases: [admin], account_mail: team}\n"
    open_to_all = ASKING.replace("addresses:\n", entries_).replace(
        "office: Amt 10}", "office: Amt 10, account_mail: team}"
    )
    asking.book.current = rules(open_to_all)
    there = f"{local}@musterstadt.example"
    assert inboxes(asking, asking.mail(code_mail(to=there), there, sender=SERVICE)) == {confidential("poststelle")}


def test_rules_that_served_before_go_on_serving_as_the_last_good_ones() -> None:
    text = RULES.replace("addresses:\n", "addresses:\n  webmaster: {team: bauamt}\n")
    assert load(text, "rules.yaml")[0] is None
    served, findings = load(text, "rules.yaml", served=True)
    assert served is not None
    assert findings == ()
    assert served.find(to("webmaster@musterstadt.example")) is not None


# --- nothing is lost by it ----------------------------------------------------------------------------------------


def test_a_rule_may_ask_for_it() -> None:
    found = rules_of("rules:\n  - {id: r, when: {account_mail: true}, then: {tag: konto}}\n")
    assert found.asked >= {"account_mail"}
    assert "reject-too-late" in codes("rules:\n  - {id: r, when: {account_mail: true}, then: {reject: nein}}\n")


@pytest.mark.parametrize(
    "piece",
    ["Ihr Code ", "https://x.example/reset?token=", "<a ", "1 ", "-", "Passwort ", "\u200b", "A1-",
     pytest.param("<a " + "href=https:" * 300, id="anchors"), "Ihr Code:\n" + "a1" * 40],
)  # fmt: skip
def test_what_is_made_to_stall_the_recogniser_is_read_to_its_end(piece: str) -> None:
    for kind in ("plain", "html"):
        head = f"From: {SERVICE}\r\nSubject: Ihr Code\r\nContent-Type: text/{kind}; charset=utf-8\r\n\r\n"
        assert facts_of(head.encode() + piece.encode() * (400_000 // len(piece))).source_only is None


def test_every_one_lies_somewhere_whoever_is_there(asking: Office) -> None:
    def states() -> Iterable[frozenset[str]]:
        yield frozenset()
        yield frozenset({unled("kita")})
        yield frozenset({INNER})
        yield frozenset({"kita", INNER, unled("kita"), "poststelle", confidential("poststelle"), unled("poststelle")})

    for number, state in enumerate(states()):
        assert inboxes(asking, asking.mail(code_mail(key=f"{number}@x.example"), sender=SERVICE, unread=state))
