from __future__ import annotations

from dataclasses import replace

from maild.mail.address import Address
from maild.mail.answering import Kind, Proposal, chained, propose, quotation
from maild.mail.facts import Facts, Mailbox

PETRA, OFFICE, ANNA = (
    Mailbox(name="Petra Müller", mail="petra@buerger.example"),
    Mailbox(name="Kita", mail="kita@musterstadt.example"),
    Mailbox(name="", mail="anna@buerger.example"),
)
LETTER = Facts(
    subject="Kitaplatz",
    senders=(PETRA,),
    to=(OFFICE, ANNA),
    cc=(Mailbox(name="", mail="info@musterstadt.example"), PETRA, Mailbox(name="x", mail="not an address")),
    message_key="1@buerger.example",
    references=("0@buerger.example",),
    text="Guten Tag,\n> alt\n\nGruß\n",
)


def is_ours(address: Address) -> bool:
    return address.domain == "musterstadt.example"


def proposed(kind: Kind = Kind.ANSWER, letter: Facts = LETTER, *, ours: bool = False) -> Proposal:
    return propose(letter, kind, ours=ours, is_ours=is_ours, said="Petra Müller schrieb:")


def mails(parties: tuple[tuple[str, Address], ...]) -> list[str]:
    return [str(address) for _, address in parties]


def test_an_answer_goes_to_its_author() -> None:
    found = proposed()
    assert mails(found.to) == ["petra@buerger.example"]
    assert found.cc == ()
    assert found.subject == "Re: Kitaplatz"
    assert found.in_reply_to == "1@buerger.example"
    assert found.references == ("0@buerger.example", "1@buerger.example")
    assert found.quoted == "Petra Müller schrieb:\n> Guten Tag,\n>> alt\n>\n> Gruß"


def test_an_answer_to_all_leaves_ourselves_out_and_nobody_twice() -> None:
    found = proposed(Kind.ANSWER_ALL)
    assert mails(found.to) == ["petra@buerger.example"]
    assert mails(found.cc) == ["anna@buerger.example"]


def test_reply_to_is_where_its_author_wants_the_answer() -> None:
    assert mails(proposed(letter=replace(LETTER, reply_to=(ANNA,))).to) == ["anna@buerger.example"]
    assert mails(proposed(letter=replace(LETTER, reply_to=(OFFICE,))).to) == ["petra@buerger.example"]


def test_an_answer_to_our_own_letter_goes_to_whom_it_went() -> None:
    assert mails(proposed(ours=True).to) == ["anna@buerger.example"]


def test_a_forward_answers_nobody() -> None:
    found = proposed(Kind.FORWARD)
    assert (found.to, found.in_reply_to, found.references) == ((), None, ())
    assert found.subject == "Fwd: Kitaplatz"
    assert found.quoted.endswith("\n\nGuten Tag,\n> alt\n\nGruß\n")


def test_a_long_chain_keeps_its_beginning_and_its_end() -> None:
    chain = chained(tuple(f"{n}@x" for n in range(80)), "last@x")
    assert (len(chain), chain[0], chain[-1]) == (30, "0@x", "last@x")


def test_a_quotation_of_a_very_long_text_is_cut() -> None:
    assert len(quotation("x\n" * 1_000_000)) < 300_000
