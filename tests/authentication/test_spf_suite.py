"""The test suite of RFC 7208 (openspf.org, 2014.04): each case, and its explanation where it has one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from maild.authentication.spf import check_host
from maild.dns.answer import Kind
from tests.authentication.zone import Records, Zone

_CASES = 203


def _octets(value: str | list[str]) -> bytes:
    return "".join(value if isinstance(value, list) else [value]).encode("latin-1")


def _records(entries: list[Any]) -> Records:
    """Translate a name of the suite. Records of type SPF stand for TXT records too, unless TXT is said apart."""
    found: dict[Kind, Any] = {}
    typed = [(kind, value) for entry in entries if isinstance(entry, dict) for kind, value in entry.items()]
    texts_apart = any(kind == "TXT" for kind, _ in typed)
    for kind, value in typed:
        if kind == "SPF":
            if not texts_apart:
                found.setdefault(Kind.TXT, []).append(_octets(value))
        elif kind == "TXT":
            if value != "NONE":
                found.setdefault(Kind.TXT, []).append(_octets(value))
        elif kind == "MX":
            found.setdefault(Kind.MX, []).append((value[0], value[1].lower().removesuffix(".")))
        else:
            found.setdefault(Kind(kind), []).append(value.lower().removesuffix("."))
    if "TIMEOUT" in entries:
        found = dict.fromkeys(Kind, "timeout") | found
    return found


async def _run(zone: Mapping[str, Records], test: dict[str, Any]) -> str:
    """Return what is wrong with the result of a case; "" when nothing is."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    spf = await check_host(Zone(zone), test["host"], test["mailfrom"], test["helo"], now=now)
    right = test["result"] if isinstance(test["result"], list) else [test["result"]]
    if spf.result not in right:
        return f"{spf.result}, not {' or '.join(right)}: {spf.reason}"
    _, _, explained = spf.reason.partition(" explains: ")
    wanted = test.get("explanation", "DEFAULT")
    if "explanation" in test and explained != ("" if wanted == "DEFAULT" else f'"{wanted}"'):
        return f"explained by {explained}, not {wanted}"
    return ""


async def test_spf_passes_the_suite_of_its_rfc(corpus: Path) -> None:
    text = (corpus / "spf" / "test__rfc7208-tests.yml").read_text("utf-8")
    wrong, count = [], 0
    for document in yaml.safe_load_all(text):
        zone = {name: _records(entries) for name, entries in document["zonedata"].items()}
        for name, test in document["tests"].items():
            count += 1
            if said := await _run(zone, test):
                wrong.append(f"{name}: {said}")
    assert wrong == []
    assert count == _CASES
