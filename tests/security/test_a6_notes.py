"""A6: an internal note in anything that leaves.

Expected: a word that stands only in notes is in no octet of any answer, letter sent on, or template, in no draft's
form, in no page of another team, and not found by search.
"""

from __future__ import annotations

from maild.policy.roles import Role
from tests.web.office import RULES, Office, letter, rules, token_in
from tests.web.writer import Form, follow, left, reply

CANARY = "kanariennotiz"
NAMES = (
    "organisation.name", "team.name", "team.office", "team.hours", "address.title", "address.mail",
    "conversation.reference", "conversation.subject", "sender.name", "sender.mail", "user.name",
)  # fmt: skip
EVERY = "".join(f" {{{name}}}" for name in NAMES)
# What nothing is known for may stay as it stands.
SURE = {f"ok:{{{name}}}": "1" for name in NAMES}


def test_no_octet_that_leaves_has_a_word_of_a_note(office: Office) -> None:
    office.book.current = rules(RULES + f'templates: {{alles: {{subject: "{EVERY}", text: "{EVERY}"}}}}\n')
    office.user("petra", (Role.MANAGER, "kita"))
    office.user("bert", (Role.MANAGER, "bauamt"))
    both = ("kita.platzvergabe@musterstadt.example", "bauamt@musterstadt.example")
    number = office.mail(letter(key="eins@citizen.example"), both)
    path = f"/c/{office.reference(number)}"
    with office.client("petra") as client, office.client("bert") as bert:
        token = token_in(client.get(path).text)
        for text in (f"{CANARY} eins", f"{CANARY}\n> zwei\nBcc: {CANARY}@evil.example"):
            client.post(f"{path}/note", data={"token": token, "team": "kita", "note": text})
        assert CANARY in client.get(path).text
        for kind in ("answer", "answer-all", "forward"):
            office.clock.ms += 1_000
            form = reply(office, client, number, kind)
            assert CANARY not in form.page
            page = follow(client, form.press(client, "template", template="alles"))
            form = Form.of(page)
            assert CANARY not in form.page
            follow(client, form.press(client, "send", to="rat@kreis.example", cc="", **SURE))
        # What we wrote ourselves is quoted in its turn.
        newest = max(sent.id for sent in left(office))
        office.clock.ms += 1_000
        form = reply(office, client, newest)
        text = "Ein Nachtrag.\n" + form.fields["text"]
        follow(client, form.press(client, "send", to="rat@kreis.example", text=text, **SURE))
        assert "/c/" not in client.get(f"/search?q={CANARY}").text.split("<main")[1]
        for seen in (path, "/inbox/bauamt", f"/search?q={CANARY[:-1]}*"):
            assert CANARY not in bert.get(seen).text
        assert CANARY not in bert.get(f"{path}/reply").text
    sent = left(office)
    assert len(sent) == 4
    assert all(CANARY.encode() not in each.octets and not any(CANARY in r for r in each.recipients) for each in sent)
