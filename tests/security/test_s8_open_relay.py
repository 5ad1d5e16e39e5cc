"""S8: being talked into sending mail on.

Expected: every form that names a way through us to another place is refused at RCPT with a 5xx, whatever the rules
do with unknown names of our own domains; nothing is stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from maild.intake.admit import admit
from maild.mail.address import Address
from maild.mail.reply import Reply
from maild.rules.model import Ruleset
from tests.rules.samples import WHOLE, rules_of
from tests.smtp.room import Room, Wire, serving

FORMS = [
    "<victim@relay.example>",
    "<victim@[192.0.2.1]>",
    "<victim@[IPv6:2001:db8::1]>",
    "<victim@[127.0.0.1]>",
    "<victim@localhost>",
    "<victim@mx.us.example>",
    "<victim@sub.a.example>",
    "<victim@a.example.relay.example>",
    "<victim@a.example.>",
    "<victim@a.example..>",
    "<victim@.a.example>",
    "<victim@xn--a-example.relay.example>",
    "<victim@relay\u3002example>",
    "<victim%relay.example@a.example>",
    "<victim%relay.example@[192.0.2.1]>",
    "<victim%relay.example%a.example@a.example>",
    "<relay.example!victim@a.example>",
    "<relay.example!victim>",
    "<relay.example!a.example!victim@a.example>",
    "<@a.example:victim@relay.example>",
    "<@a.example,@b.example:victim@relay.example>",
    "<@relay.example:victim@relay.example>",
    '<"victim@relay.example"@a.example>',
    '<"victim%relay.example"@a.example>',
    '<"relay.example!victim"@a.example>',
    '<"@relay.example:victim"@a.example>',
    '<"victim@relay.example">',
    '<"victim@relay.example"@[192.0.2.1]>',
    '<"victim"@relay.example>',
    '<""@a.example>',
    '<" "@a.example>',
    '<"<victim@relay.example>"@a.example>',
    "<<victim@relay.example>@a.example>",
    "<victim@relay.example@a.example>",
    "<victim@a.example@relay.example>",
    "<victim@a.example:relay.example>",
    "<victim@a.example,victim@relay.example>",
    "<victim@a.example>,<victim@relay.example>",
    "<victim@a.example> <victim@relay.example>",
    "<victim(@relay.example)@a.example>",
    "<victim\\@relay.example@a.example>",
    "<SMTP:victim@relay.example>",
    "<victim>",
    "<>",
    "victim@relay.example",
    "victim",
]
RULES = {"reject": rules_of(WHOLE), "fallback": rules_of(WHOLE + "unknown_recipient: fallback\n")}


@dataclass
class RuledRoom(Room):
    """Decides at RCPT as maild does."""

    ruleset: Ruleset = field(default_factory=lambda: RULES["reject"])

    def admit(self, address: Address, reverse_path: Address | None) -> Reply:
        return admit(self.ruleset, address)


@pytest.mark.parametrize("policy", RULES)
async def test_no_form_of_relaying_is_accepted(policy: str) -> None:
    room = RuledRoom(ruleset=RULES[policy])
    accepted: list[str] = []
    async with serving(room) as server:
        for form in FORMS:
            async with Wire.open(server) as wire:
                await wire.say("EHLO there.example")
                await wire.say("MAIL FROM:<a@there.example> SMTPUTF8")
                reply = await wire.say(f"RCPT TO:{form}")
                if not reply.startswith("5"):
                    accepted.append(f"{form}: {reply}")
                assert (await wire.say("DATA")).startswith("554 ")
    assert accepted == []
    assert room.stored == []


async def test_the_same_dialogue_takes_what_is_ours() -> None:
    room = RuledRoom()
    async with serving(room) as server, Wire.open(server) as wire:
        await wire.say("EHLO there.example")
        await wire.say("MAIL FROM:<a@there.example>")
        for ours in ("<info@a.example>", "<@relay.example:info@B.example>", "<postmaster>", '<"info"@a.example>'):
            assert await wire.say(f"RCPT TO:{ours}") == "250 2.1.5 Ok"


async def test_a_sender_of_ours_opens_no_way_either() -> None:
    async with serving(RuledRoom()) as server, Wire.open(server) as wire:
        for sender in ("<info@a.example>", "<>", "<postmaster@a.example>"):
            await wire.say("EHLO there.example")
            assert (await wire.say(f"MAIL FROM:{sender}")).startswith("250 ")
            assert (await wire.say("RCPT TO:<victim@relay.example>")).startswith("550 5.7.1 ")
