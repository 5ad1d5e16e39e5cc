"""Something to do is offered to who asks: the longest waiting, nobody's, and not under a colleague's eyes."""

from __future__ import annotations

from maild.archive.accounts import Disabling, disable_users
from maild.policy.roles import Role
from maild.web.presence import Present
from tests.web.office import Office, letter
from tests.web.writer import follow


def test_what_waits_longest_is_offered_unless_it_is_taken_or_read_by_a_colleague(office: Office) -> None:
    office.user("petra", (Role.RESPONDER, "kita"), (Role.READER, "bauamt"))
    jonas = office.user("jonas", (Role.RESPONDER, "kita"), name="Jonas")
    office.mail(letter("Fremd"), "bauamt@musterstadt.example", age_s=99_000)
    oldest, older, newest = (
        office.mail(letter(subject), age_s=age_s, sender=f"{age_s}@c.example")
        for subject, age_s in (("Eins", 9000), ("Zwei", 8000), ("Drei", 7000))
    )
    paths = [f"/c/{office.reference(number)}?team=kita&state=unassigned" for number in (oldest, older, newest)]

    with office.database.read() as connection:
        asked = f"SELECT conversation_id FROM filings WHERE message_id = {oldest}"
        first = int(connection.exec_driver_sql(asked).scalar_one())

    with office.client("petra") as petra, office.client("jonas") as other:

        def offered() -> str:
            return petra.get("/offer?team=kita").headers["location"]

        def take(path: str) -> None:
            page = other.get(path).text
            form = page[page.index('/assignee"') :]
            token, shown = (form.split(f'name="{name}" value="')[1].split('"')[0] for name in ("token", "shown"))
            data = {"token": token, "shown": shown, "team": "kita", "assignee": "jonas"}
            assert other.post(path.split("?", maxsplit=1)[0] + "/assignee", data=data).status_code == 303

        assert "Gib mir etwas" in petra.get("/inbox/kita?state=unassigned").text
        assert "Gib mir etwas" not in petra.get("/inbox/bauamt?state=unassigned").text
        assert offered() == paths[0]
        with office.services.presence.read(first, Present(user_id=jonas, name="Jonas", teams=frozenset({"kita"}))):
            assert offered() == paths[1]
        take(paths[0])
        assert offered() == paths[1]
        take(paths[1])
        take(paths[2])
        assert "Gerade ist nichts frei" in follow(petra, petra.get("/offer?team=kita")).text
        office.database.writer.submit(disable_users, Disabling(login="jonas", disabled_ms=1)).result()
        assert offered() == paths[0]
