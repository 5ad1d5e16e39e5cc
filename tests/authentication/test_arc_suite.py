"""The ARC test suite of Valimail: it follows a late draft of what became RFC 8617."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from maild.authentication import tags
from maild.authentication.arc import validate
from maild.authentication.canonical import RELAXED, chosen, read_mail
from maild.authentication.claims import read_claims
from maild.authentication.keys import choose_key, is_signed
from maild.authentication.signatures import Bodies, header_digest, read_message_signature, signed_names
from maild.authentication.signing import SigningKey
from maild.authentication.tags import read_tags
from maild.dns.answer import Kind
from tests.authentication.sealed import results_of, seal
from tests.authentication.zone import Zone

# Where RFC 8617 says otherwise than the draft: the case, what the RFC demands, and why.
DEVIATIONS = {
    # The draft stopped without any status where the newest sealer says cv=fail: §5.2, step 2 has the status "fail".
    "cv_fail_i1_as_cv_fail": "fail",
    "cv_fail_i2_as2_fail": "fail",
    # The same of a sealer before it: §5.2, step 3 demands cv=pass of every set but the first, and "fail" without.
    "cv_fail_i2_as1_fail": "fail",
    # Signed as relaxed/relaxed, without saying so: §4.1.2 has the semantics of a DKIM-Signature but for i= and v=, and
    # there (RFC 6376 §3.5) the default is simple/simple. The case has the habit of the library that wrote it.
    "ams_fields_c_na": "fail",
}
_VALIDATION, _SIGNING = "tests__arc-draft-validation-tests.yml", "tests__arc-draft-sign-tests.yml"
_LEAST = {_VALIDATION: 171, _SIGNING: 17}


def cases(corpus: Path, name: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Return each case of a file: its name, what it is, and the group that it is in."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    groups = [group for group in yaml.load_all((corpus / "arc" / name).read_text(), loader) if group]
    found = [(case, what, group) for group in groups for case, what in group["tests"].items()]
    assert len(found) == _LEAST[name]
    return found


def octets(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode()


def zone_of(group: dict[str, Any]) -> Zone:
    records = {name: text.replace("\n", "") for name, text in group["txt-records"].items()}
    return Zone({name: {Kind.TXT: [text.encode()]} for name, text in records.items()})


async def test_every_chain_of_the_suite_has_the_status_it_should_have(corpus: Path) -> None:
    wrong = {}
    for name, case, group in cases(corpus, _VALIDATION):
        found = await validate(zone_of(group), read_claims(octets(case["message"])).chain, frozenset())
        wanted = DEVIATIONS.get(name, case["cv"].lower())
        if found.result != wanted:
            wrong[name] = (wanted, found)
    assert wrong == {}


async def test_the_case_without_canonical_forms_was_signed_as_relaxed(corpus: Path) -> None:
    ((case, group),) = [(c, group) for name, c, group in cases(corpus, _VALIDATION) if name == "ams_fields_c_na"]
    message, found = octets(case["message"]), []
    for forms in ("simple/simple", "relaxed/relaxed"):
        # Written out, c= is signed, too; so what is compared is the digest of all that is not the signature itself.
        mail = read_mail(message)
        place = next(n for n, field in enumerate(mail.fields) if field.key == b"arc-message-signature")
        names = signed_names(read_tags(mail.fields[place].value))
        digest = header_digest(mail, place, forms.partition("/")[0], chosen(mail.fields, names, place))
        answer = await zone_of(group).ask("dummy._domainkey.example.org", Kind.TXT)
        signature = read_message_signature(mail, place, Bodies(message, mail.body_start)).signature
        found.append(is_signed(choose_key(answer.texts, "rsa"), signature, digest))
    assert found == [False, True]


async def test_every_set_of_the_suite_is_written_as_it_should_be(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The suite's sealer seals its ARC-Message-Signature with b= on one line; how it is folded is a signer's own choice.
    monkeypatch.setattr(tags, "_PIECE", 10_000)
    wrong = {}
    for name, case, group in cases(corpus, _SIGNING):
        private = load_pem_private_key(group["privatekey"].encode(), None)
        assert isinstance(private, RSAPrivateKey)
        content = octets(case["message"])
        written = seal(
            content,
            SigningKey(group["domain"], group["sel"], private),
            authserv_id=case["srv-id"],
            results=results_of(content, case["srv-id"]),
            status=(await validate(zone_of(group), read_claims(content).chain, frozenset())).result,
            now_s=case["t"],
            names=case["sig-headers"].split(":"),
        )
        found = [field.canonical(RELAXED) for field in read_mail(written).fields]
        wanted = [
            read_mail(octets(f"{field}: {case[tag]}").strip().replace(b"\r\n", b"\r\n ")).fields[0].canonical(RELAXED)
            for field, tag in (
                ("ARC-Seal", "AS"),
                ("ARC-Message-Signature", "AMS"),
                ("ARC-Authentication-Results", "AAR"),
            )
            if case[tag]
        ]
        if [_unfolded(field) for field in found] != [_unfolded(field) for field in wanted]:
            wrong[name] = (found, wanted)
    assert wrong == {}


def _unfolded(field: bytes) -> bytes:
    return field.replace(b" ", b"")
