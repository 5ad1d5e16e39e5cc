"""What a domain's records say of the way to it: MX, encryption that cannot be stripped, names of our machines.

As `maild.authentication.advice`, from answers alone.

Source: RFC 5321 §5.1, RFC 7505 (null MX), RFC 8461 (MTA-STS), RFC 8460 §3 (TLSRPT), RFC 7672 (DANE), RFC 1912 §2.1.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence

from maild.authentication.advice import BAD, DOUBT, GOOD, Advice, Asked, shown, txt, unknown
from maild.authentication.dmarc import Discovered
from maild.authentication.spf_record import is_spf
from maild.dns.answer import Answer, DnsError, Kind, Status
from maild.mail import sts

_DAY_S = 86_400
_RPT_TEXT = re.compile(rb"v=TLSRPTv1[ \t]*;")


def hosts_of(mx: Asked) -> tuple[str, ...]:
    """Return the hosts that take a domain's mail, the preferred ones first; none for a null MX."""
    if isinstance(mx, DnsError):
        return ()
    found = sorted(value for value in mx.values if isinstance(value, tuple) and len(value) == 2)
    return tuple(dict.fromkeys(host for _, host in found if host))


def is_null(mx: Asked) -> bool:
    """Tell whether a domain says that it takes no mail."""
    return isinstance(mx, Answer) and mx.values == ((0, ""),)


def mx(domain: str, asked: Asked, addresses: Mapping[str, Asked], aliases: Sequence[str], our_host: str) -> Advice:
    """Judge the MX records of a domain that takes mail.

    Args:
        domain: the domain.
        asked: its MX records.
        addresses: of each host that they name, the addresses.
        aliases: those of the hosts that are aliases (CNAME).
        our_host: the name of this machine, "" when it has none that others know.
    """
    line = f"{domain}. IN MX 10 {our_host or f'mx.{domain}'}."
    if isinstance(asked, DnsError):
        return unknown("MX", asked)
    if asked.status is not Status.FOUND:
        return Advice(BAD, "MX", "there is no record", (line,))
    if is_null(asked):
        return Advice(GOOD, "MX", "it takes no mail (null MX)")
    hosts = hosts_of(asked)
    text = ", ".join(hosts)
    if len(hosts) < len(asked.values) and any(value == (0, "") for value in asked.values):
        return Advice(BAD, "MX", f"{text}: a null MX (0 .) stands beside others; remove one or the other", (line,))
    for host in hosts:
        if _is_address(host):
            return Advice(BAD, "MX", f"{host} is an address; MX wants the name of a host", (line,))
        if host in aliases:
            return Advice(BAD, "MX", f"{host} is an alias (CNAME), which RFC 2181 §10.3 forbids; name the host itself")
        answer = addresses.get(host)
        if isinstance(answer, DnsError):
            return unknown("MX", answer)
        if answer is None or not answer.hosts:
            return Advice(BAD, "MX", f"{host} has no address", (f"{host}. IN A <its address>",))
    if our_host and our_host not in hosts:
        return Advice(DOUBT, "MX", f"{text}: this machine, {our_host}, is not among them", (line,))
    return Advice(GOOD, "MX", text)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def names(host: str, address: str, pointers: Asked, back: Mapping[str, Asked]) -> Advice:
    """Judge the name of one of our addresses: it must have one, and that must lead back to it.

    Args:
        host: the machine.
        address: one of its addresses.
        pointers: the PTR records of the address.
        back: of each name that they hold, its addresses.
    """
    what = f"PTR {address}"
    reverse = ipaddress.ip_address(address).reverse_pointer
    line = (f"{reverse}. IN PTR {host}.",)
    if isinstance(pointers, DnsError):
        return unknown(what, pointers)
    if not pointers.hosts:
        return Advice(BAD, what, f"{host}: no name; many receivers refuse mail from such an address", line)
    leading = [
        name for name in pointers.hosts if isinstance(answer := back.get(name), Answer) and _same(address, answer.hosts)
    ]
    if not leading:
        text = f"{', '.join(pointers.hosts[:3])}: does not lead back to {address}"
        return Advice(BAD, what, text, line)
    if host not in leading:
        return Advice(DOUBT, what, f"{', '.join(leading[:3])}: another name than {host}, with which maild greets", line)
    return Advice(GOOD, what, host)


def _same(address: str, found: Sequence[str]) -> bool:
    wanted = ipaddress.ip_address(address)
    return any(_is_address(each) and ipaddress.ip_address(each) == wanted for each in found)


def mta_sts(domain: str, asked: Asked, policy: str | None, fault: str, hosts: Sequence[str]) -> Advice:
    """Judge MTA-STS: the record, and the policy that was fetched.

    Args:
        domain: the domain.
        asked: the TXT records at `_mta-sts`.
        policy: the text of the policy; None when it was not to be had, for the reason `fault`.
        fault: why there is no policy.
        hosts: of the domain's MX records.
    """
    if isinstance(asked, DnsError):
        return unknown("MTA-STS", asked)
    url = sts.url_of(domain)
    file = [
        "version: STSv1",
        "mode: testing",
        *(f"mx: {host}" for host in hosts or [f"mx.{domain}"]),
        "max_age: 604800",
    ]
    lines = (txt(f"_mta-sts.{domain}", "v=STSv1; id=1"), f"at {url}:", *file)
    records = sts.records_of(asked.texts)
    if not records:
        return Advice(DOUBT, "MTA-STS", "there is none: an attacker on the way can strip the encryption", lines)
    if len(records) > 1:
        return Advice(BAD, "MTA-STS", f"there are {len(records)} records, and several count as none", lines[:1])
    if sts.id_of(records[0]) is None:
        return Advice(BAD, "MTA-STS", f"{shown(records[0])}: id= must be letters and digits, at most 32", lines[:1])
    if policy is None:
        return Advice(BAD, "MTA-STS", f"the policy at {url} was not to be had: {fault}", lines[1:])
    return _policy(policy, hosts, lines[1:])


def _tags(octets: bytes) -> dict[str, str]:
    pairs = (part.partition("=") for part in octets.decode("ascii", "replace").split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _policy(text: str, hosts: Sequence[str], lines: tuple[str, ...]) -> Advice:
    try:
        policy = sts.parse_policy(text)
    except ValueError as error:
        return Advice(BAD, "MTA-STS", str(error), lines)
    missing = [host for host in hosts if not policy.names(host)]
    if missing and policy.mode != sts.NONE:
        return Advice(
            BAD, "MTA-STS", f"the policy does not name {', '.join(missing)}: mail will not be sent there", lines
        )
    if policy.mode != sts.ENFORCE:
        text = f"mode: {policy.mode} protects nothing yet; go on to enforce, and change id="
        return Advice(DOUBT, "MTA-STS", text, lines)
    if policy.max_age_s < _DAY_S:
        text = f"max_age: {policy.max_age_s} is less than a day; 604800 is a week"
        return Advice(DOUBT, "MTA-STS", text, lines)
    return Advice(GOOD, "MTA-STS", f"enforce, for {policy.max_age_s // _DAY_S} days")


def tlsrpt(domain: str, asked: Asked) -> Advice:
    """Judge the record that asks for reports about TLS."""
    line = (txt(f"_smtp._tls.{domain}", f"v=TLSRPTv1; rua=mailto:postmaster@{domain}"),)
    if isinstance(asked, DnsError):
        return unknown("TLSRPT", asked)
    records = [each for each in asked.texts if _RPT_TEXT.match(each)]
    if not records:
        return Advice(DOUBT, "TLSRPT", "there is none: nobody tells you when mail to you cannot be encrypted", line)
    if len(records) > 1:
        return Advice(BAD, "TLSRPT", f"there are {len(records)} records, and several count as none", line)
    uris = [each.strip() for each in _tags(records[0]).get("rua", "").split(",")]
    if not all(each.startswith("https://") or (each.startswith("mailto:") and "@" in each) for each in uris):
        return Advice(BAD, "TLSRPT", f"{shown(records[0])}: rua= wants mailto: or https:", line)
    return Advice(GOOD, "TLSRPT", shown(records[0]))


def dane(host: str, asked: Asked, *, secure: bool, ours: bytes | None) -> Advice:
    """Judge the TLSA records of a host that takes mail.

    Args:
        host: its name.
        asked: the TLSA records at `_25._tcp`.
        secure: DNSSEC has proven the MX records and the host's addresses.
        ours: where the host is this machine, SHA-256 of its certificate's public key.
    """
    what = f"DANE {host}"
    if isinstance(asked, DnsError):
        return unknown(what, asked)
    line = (f"_25._tcp.{host}. IN TLSA 3 1 1 {'<SHA-256 of its public key>' if ours is None else ours.hex()}",)
    found = [value for value in asked.values if isinstance(value, tuple) and len(value) == 4]
    if not secure or (found and not asked.secure):
        state = BAD if found else DOUBT
        return Advice(state, what, "DNSSEC has not proven it (is the zone signed, and does the resolver look?), and "
                                   "without it DANE does not count", () if found else line)  # fmt: skip
    if not found:
        return Advice(DOUBT, what, "there is none; with it senders that know DANE never send in clear", line)
    usable = [value for value in found if value[0] in (2, 3) and value[1] in (0, 1) and value[2] in (0, 1, 2)]
    if not usable:
        return Advice(BAD, what, "no record is usable: for mail the first number must be 2 or 3 (RFC 7672 §3.1)", line)
    if ours is not None and not any(value[:3] != (3, 1, 1) or value[3] == ours for value in usable):
        return Advice(BAD, what, "no record fits the certificate of this machine: such senders send nothing", line)
    return Advice(GOOD, what, ", ".join(" ".join(map(str, value[:3])) for value in usable))


def sends_nothing(spf_answer: Answer) -> bool:
    """Tell whether a domain's SPF record names no server."""
    records = [each.lower().split() for each in spf_answer.texts if is_spf(each)]
    return records == [[b"v=spf1", b"-all"]]


def silent(domain: str, mx_answer: Asked, spf_answer: Asked, found: Discovered) -> list[Advice]:
    """Judge a domain that neither sends nor takes mail: it should say so, three times."""
    lines = {
        "SPF": txt(domain, "v=spf1 -all"),
        "MX": f"{domain}. IN MX 0 .",
        "DMARC": txt(f"_dmarc.{domain}", f"v=DMARC1; p=reject; rua=mailto:postmaster@{domain}"),
    }
    looked_at: dict[str, bool | DnsError] = {
        "SPF": spf_answer if isinstance(spf_answer, DnsError) else sends_nothing(spf_answer),
        "MX": mx_answer if isinstance(mx_answer, DnsError) else is_null(mx_answer),
        "DMARC": DnsError(domain, Kind.TXT, found.failure) if found.failure else found.policy == "reject",
    }
    said = {"SPF": "no server sends for it", "MX": "it takes no mail", "DMARC": "what claims to be from it is refused"}
    advice = []
    for what, ok in looked_at.items():
        if isinstance(ok, DnsError):
            advice.append(unknown(what, ok))
        elif ok:
            advice.append(Advice(GOOD, what, said[what]))
        else:
            advice.append(Advice(BAD, what, f"it does not say that {said[what]}", (lines[what],)))
    return advice
