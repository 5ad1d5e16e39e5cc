"""Somebody who writes a letter in the browser, without script: fills in the form, presses its buttons."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field

from httpx2 import Response
from sqlalchemy import select
from starlette.testclient import TestClient

from maild.archive import content, queries
from maild.archive.schema import messages
from maild.archive.schema_outgoing import deliveries, outgoing
from maild.mail.ids import parse_id
from maild.policy.visible import OPERATOR
from tests.web.office import Office, shown_id

_INPUT = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')
_CHECKED = re.compile(r'<input type="checkbox"[^>]* name="([^"]*)" value="1" checked>')
_AREA = re.compile(r'<textarea name="(\w+)"[^>]*>\n(.*?)</textarea>', re.DOTALL)
_SUBJECT = re.compile(r'<input name="subject"[^>]* value="([^"]*)"')
_SELECT = re.compile(r'<select name="(\w+)".*?</select>', re.DOTALL)
_SELECTED = re.compile(r'<option value="([^"]*)"[^>]* selected>')


@dataclass
class Form:
    """The form of a page: where it goes, and what stands in it."""

    action: str
    fields: dict[str, str]
    page: str = field(repr=False)

    @staticmethod
    def of(answer: Response) -> Form:
        assert answer.status_code == 200, (answer.status_code, answer.headers.get("location"))
        page = answer.text[answer.text.index('class="writing" data-autosave') - 400 :]
        fields = dict(_INPUT.findall(page)) | dict(_AREA.findall(page))
        fields |= dict.fromkeys(_CHECKED.findall(page), "1")
        if found := _SUBJECT.search(page):
            fields["subject"] = found[1]
        for each in _SELECT.finditer(page):
            if chosen := _SELECTED.search(each[0]):
                fields[each[1]] = chosen[1]
        fields.pop("note", None)
        action = re.search(r'<form method="post" action="([^"]*)"[^>]*data-autosave', page)
        assert action is not None
        plain = {html.unescape(name): html.unescape(value) for name, value in fields.items()}
        return Form(action=action[1], fields=plain, page=answer.text)

    def press(self, client: TestClient, do: str, *, files: object = None, **fields: str) -> Response:
        data = {**self.fields, **fields, "do": do}
        return client.post(self.action, data=data, files=files)  # type: ignore[arg-type]


def reply(office: Office, client: TestClient, message_id: int, kind: str = "answer") -> Form:
    """Open the form for an answer to a letter."""
    path = f"/c/{office.reference(message_id)}/reply?to={shown_id(message_id)}&kind={kind}"
    return Form.of(client.get(path))


def follow(client: TestClient, answer: Response) -> Response:
    assert answer.status_code == 303, answer.text[:2000]
    return client.get(answer.headers["location"])


@dataclass(frozen=True)
class Left:
    """A letter that left: its octets and its envelope."""

    id: int
    octets: bytes
    recipients: tuple[str, ...]
    senders: tuple[str | None, ...]


def left(office: Office) -> list[Left]:
    """Return what was submitted, oldest first."""
    found = []
    with office.database.read() as connection:
        order = select(outgoing.c.message_id).join(messages, messages.c.id == outgoing.c.message_id)
        for number in connection.scalars(order.order_by(messages.c.sequence)):
            message = queries.message(connection, visible=OPERATOR, message_id=number)
            rows = connection.execute(
                select(deliveries.c.recipient, deliveries.c.reverse_path)
                .where(deliveries.c.message_id == number)
                .order_by(deliveries.c.id)
            ).all()
            found.append(
                Left(
                    id=number,
                    octets=content.read(connection, message.digest),
                    recipients=tuple(row.recipient for row in rows),
                    senders=tuple(row.reverse_path for row in rows),
                )
            )
    return found


def draft_of(form: Form) -> int:
    return parse_id(form.fields["draft"]) or 0
