"""A4: a form carries out what its fields say, and what somebody adds to them changes nothing.

Every form of the site is sent with fields that it does not have, named as columns of the database are: who wrote,
who agreed, whose it is, until when it holds. What the database holds afterwards is what it holds without them.
"""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path

from sqlalchemy import select

from maild.archive.metadata import metadata
from maild.mail.ids import format_id
from maild.policy.roles import Role
from tests.security.crawling import FORMS, pages, small_office
from tests.web.office import Office, office_in, token_in

WEB = Path(__file__).parent.parent.parent / "maild" / "web"
_NAMED = re.compile(r'form(?:\.get\(|\[)f?"(\w+)"')
_ENDS_THE_SESSION = frozenset({"/logout", "/login", "/login/second", "/login/passkey", "/sessions/password"})
_DRAWN = {"sessions.digest", "users.password"}  # by chance, each time
_AT_ONCE = 40  # fields that a form may have beside its own
# Columns that are worth something, beside those that name a person or a thing; and what other frameworks take.
_PRECIOUS = frozenset(
    {"actor", "author", "by", "only_assigned", "revision", "origin", "direction", "kept", "forgets_second", "hard"}
    | {"from_ms", "until_ms", "disabled_ms", "revoked_ms", "expires_ms", "settled_ms", "seen_ms", "leaves_ms"}
)
_USUAL = ("id", "pk", "admin", "is_admin", "superuser", "roles", "permissions", "everything", "owner", "account")


def _added(bert: int) -> dict[str, str]:
    """Return fields that no form of ours reads, as columns are called, with what a thief would like to see in them."""
    own = {name for path in WEB.glob("*.py") for name in _NAMED.findall(path.read_text())}
    own |= {name for form in FORMS.values() for name in form}
    columns = {column.name: column for table in metadata.sorted_tables for column in table.columns}
    wanted = [name for name in columns if name.endswith(("_by", "_id")) or name in _PRECIOUS]
    texts = {name for name, column in columns.items() if column.type.python_type is str}
    return {
        name: "bert" if name in texts or name in _USUAL else str(bert)
        for name in (*_USUAL, *wanted)
        if name not in own - _PRECIOUS
    }


def _acted(office: Office, *, adding: bool) -> dict[str, list[str]]:
    """Send every form; return what the database holds then."""
    office.user("petra", (Role.MANAGER, "kita"), (Role.RULE_EDITOR, None))
    bert = office.user("bert", (Role.RESPONDER, "bauamt"))
    kita, _ = small_office(office)
    numbers, added = count(5_000), sorted(_added(bert).items())
    with office.client("petra") as client:
        token = token_in(client.get("/sessions").text)
        for page in pages(office):
            if "POST" not in page.methods or page.path in _ENDS_THE_SESSION:
                continue
            for some in range(0, len(added), _AT_ONCE):
                names = added[some : some + _AT_ONCE] if adding else ()
                form = {**dict(names), "team": "kita", **FORMS[page.path], "token": token}
                if "draft" in form:
                    form["draft"] = format_id(next(numbers))
                client.post(kita.path(page), data=form)
    return _dump(office)


def _dump(office: Office) -> dict[str, list[str]]:
    with office.database.read() as connection:
        return {
            f"{table.name}.{column.name}": sorted(map(repr, connection.scalars(select(column))))
            for table in metadata.sorted_tables
            for column in table.columns
        }


def test_what_is_added_to_a_form_changes_nothing(tmp_path: Path) -> None:
    found = []
    for adding in (False, True):
        with office_in(tmp_path / str(adding)) as office:
            found.append(_acted(office, adding=adding))
    plain, added = found
    assert {column for column, values in plain.items() if values != added[column]} <= _DRAWN
    assert len(plain["audit.sequence"]) > 15  # acts were carried out
