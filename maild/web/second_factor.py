"""Setting up an authenticator app, with codes on paper for when it is gone; and giving it up."""

from __future__ import annotations

import base64
import binascii
import secrets
from urllib.parse import quote, urlencode

import segno
from markupsafe import Markup
from starlette.responses import Response

from maild.archive.second_factors import (
    NewCodes,
    NewTotp,
    Removal,
    code_digest,
    factors_of,
    new_codes,
    remove_second_factors,
    renew_codes,
    set_totp,
)
from maild.policy.credentials import second_factor_asked
from maild.policy.totp import SECRET_BYTES, step_of
from maild.web.proofs import Proofs
from maild.web.visit import Visit

_SCALE = 5  # pixels a module


class SecondFactor:
    """The page of one's second factor."""

    def __init__(self, proofs: Proofs) -> None:
        """Use the seal of the site."""
        self._proofs = proofs

    async def show(self, visit: Visit) -> Response:
        """Show what there is, or the picture that an app reads."""
        return await self._form(visit)

    async def change(self, visit: Visit) -> Response:
        """Take up an app, draw fresh codes, or give the app up."""
        person = visit.person
        match visit.form.get("do"):
            case "remove":
                gone = Removal(user_id=person.user_id, login=person.login, by=person.login, at_ms=visit.now_ms)
                await visit.write(remove_second_factors, gone)
                return visit.go("/sessions")
            case "codes":
                codes = new_codes()
                fresh = NewCodes(user_id=person.user_id, login=person.login, codes=_digests(codes), at_ms=visit.now_ms)
                if not (await visit.read(factors_of, person.user_id)).any:
                    return visit.go("/sessions/second-factor")
                await visit.write(renew_codes, fresh)
                return visit.page("recovery_codes.html", codes=codes)
            case _:
                return await self._take_up(visit)

    async def _take_up(self, visit: Visit) -> Response:
        secret = _secret(visit.form.get("secret", ""))
        if secret is None:
            return await self._form(visit)
        step = step_of(secret, visit.form.get("code", "")[:20], visit.now_ms, -1)
        if step is None:
            return await self._form(visit, secret=secret, failed=True)
        codes, person = new_codes(), visit.person
        new = NewTotp(
            user_id=person.user_id,
            login=person.login,
            secret=self._proofs.seal.close(person.user_id, secret),
            step=step,
            codes=_digests(codes),
            session=visit.session.digest if visit.session is not None else b"",
            at_ms=visit.now_ms,
        )
        await visit.write(set_totp, new)
        return visit.page("recovery_codes.html", codes=codes)

    async def _form(self, visit: Visit, *, secret: bytes | None = None, failed: bool = False) -> Response:
        secret = secret or secrets.token_bytes(SECRET_BYTES)
        text = base64.b32encode(secret).decode()
        return visit.page(
            "second_factor.html",
            status=403 if failed else 200,
            factors=await visit.read(factors_of, visit.person.user_id),
            asked=second_factor_asked(visit.services.settings.second_factor, visit.person.grants, visit.now_ms),
            secret=text,
            spaced=" ".join(text[at : at + 4] for at in range(0, len(text), 4)),
            picture=_picture(_address(visit, text)),
            failed=failed,
        )


def _digests(codes: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(map(code_digest, codes))


def _secret(text: str) -> bytes | None:
    try:
        secret = base64.b32decode(text.encode("ascii"))
    except (UnicodeEncodeError, binascii.Error):
        return None
    return secret if len(secret) == SECRET_BYTES else None


def _address(visit: Visit, secret: str) -> str:
    """Return what the picture says (Key Uri Format of authenticator apps)."""
    issuer = visit.services.rulebook.current.organisation.name or "maild"
    label = quote(f"{issuer}:{visit.person.login}", safe=":")
    return f"otpauth://totp/{label}?" + urlencode({"secret": secret, "issuer": issuer}, quote_via=quote)


def _picture(address: str) -> Markup:
    # Dark on light in every colour scheme: not all apps read the reverse.
    drawn = segno.make(address, error="m", micro=False).svg_inline(scale=_SCALE, dark="#000", light="#fff")
    return Markup(drawn)  # noqa: S704 - drawn here, of squares alone
