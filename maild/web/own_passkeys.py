"""One's own passkeys: listed, added, removed by their owner."""

from __future__ import annotations

from starlette.responses import Response

from maild.archive.accounts import stored_password
from maild.archive.passkeys import Added, PasskeyRemoval, passkeys_of, remove_passkeys
from maild.archive.second_factors import code_digest, factors_of, new_codes
from maild.policy.credentials import second_factor_asked
from maild.web.passkeys import Passkeys
from maild.web.visit import Visit

_MAX_NAME = 60


class OwnPasskeys:
    """The page of one's passkeys."""

    def __init__(self, passkeys: Passkeys) -> None:
        """Take up those that `passkeys` believes."""
        self._passkeys = passkeys

    async def show(self, visit: Visit) -> Response:
        """List them, with a form for another."""
        return await self._page(visit)

    async def change(self, visit: Visit) -> Response:
        """Take one up, or forget one."""
        if not visit.form.get("remove", ""):
            return await self._take_up(visit)
        person, number = visit.person, visit.number("remove")
        if number is not None:
            gone = PasskeyRemoval(user_id=person.user_id, login=person.login, id=number, at_ms=visit.now_ms)
            await visit.write(remove_passkeys, gone)  # pressed twice, it is gone, as was asked for
        return visit.go("/sessions/passkeys")

    async def _take_up(self, visit: Visit) -> Response:
        _, stored = await visit.read(stored_password, visit.person.login)
        if stored is None:  # the provider of the house says who gets in, and when no more
            return await self._page(visit)
        codes = new_codes()
        name = " ".join(visit.form.get("name", "").split())[:_MAX_NAME] or "Passkey"
        match await self._passkeys.made(visit, name, tuple(map(code_digest, codes))):
            case Added.FIRST:
                return visit.page("recovery_codes.html", codes=codes)
            case Added.YES:
                return visit.go("/sessions/passkeys")
            case refused:
                return await self._page(visit, problem="wrong" if refused is None else str(refused))

    async def _page(self, visit: Visit, *, problem: str = "") -> Response:
        person = visit.person
        _, stored = await visit.read(stored_password, person.login)
        factors = await visit.read(factors_of, person.user_id)
        asked = second_factor_asked(visit.services.settings.second_factor, person.grants, visit.now_ms)
        return visit.page(
            "passkeys.html",
            status=400 if problem else 200,
            passkeys=await visit.read(passkeys_of, person.user_id),
            factors=factors,
            needed=asked and not factors.any,
            has_password=stored is not None,
            asked=await self._passkeys.ask_new(visit) if stored is not None else None,
            problem=problem,
        )
