"""The words in which mail servers say why they refuse, by reason: one pattern a line.

Tried in this order: what is said exactly comes before what is said in passing. Repetitions are bounded, so that each
pattern is linear.
"""

from __future__ import annotations

import re
from functools import cache

_PATTERNS = {
    "mailbox-full": r"""
        (?:mail ?box|mail ?folder|inbox|quota)\W[^.\n]{0,40}\b(?:full|exceed|over ?quota|voll|exhausted|ausgesch)
        (?:account|speicher|postfach|user)\W[^.\n]{0,40}\b(?:full|exceed\w{0,12}|over ?quota|voll|exhausted|ausgesch)
        (?:storage|disk)\W[^.\n]{0,40}\b(?:full|exceed\w{0,12}|over ?quota|voll|exhausted|ausgesch)
        over (?:the |its |their |disk )?quota
        quota (?:is )?(?:exceed|violat)
        exceed\w{0,12} [^.\n]{0,30}quota
        exceeded (?:the |its )?(?:local limit|storage)
        out of (?:storage|disk) ?space
        full mailbox
        mailbox_full
        too (?:much|many) mail data
        insufficient (?:disk|storage|system storage)
        容量
        いっぱい
    """,
    "virus": r"""
        virus
        malware
        infected
        trojan
        phish
    """,
    "auth": r"""
        dmarc
        \bdkim\b
        \bspf\b
        sender policy framework
        unauthenticated
        authentication (?:required|failed|level)
        not authenticated
        must authenticate
        advertise auth
        smtp auth
        sender.?id\b
        auth(?:entication)? credentials
    """,
    "rate": r"""
        too many (?:recipients|connections|messages|mails|concurrent|errors|failures|requests|users)
        rate.?limit
        throttl
        too (?:fast|frequent|quickly)
        rate that
        exceeded [^.\n]{0,30}(?:rate|per (?:hour|day))
        frequency limit
        sending limit
        daily limit
        greylist
        gr[ae]ylisted
        temporar\w+ deferred
        number of (?:messages|recipients)
    """,
    "blocked": r"""
        block ?list
        black ?list
        deny ?list
        \brbl\b
        dnsbl
        spamhaus
        spamcop
        barracudacentral
        abuseat
        sorbs\b
        (?:poor|bad|low|sender'?s?|ip) reputation
        blocked using
        (?:ip|host|client|address|server)\b[^.\n]{0,50}(?:\bblocked|banned|is listed)
        invalid ip for
        reverse (?:dns|map)
        \bptr\b
        dynamic ip
        unsolicited mail originating
        no ptr
        cannot find your (?:reverse )?hostname
        dns blocked
        connection refused from your
        access to this (?:mail )?system
    """,
    "spam": r"""
        \bspam
        \buce\b
        unsolicited
        junk ?mail
        bulk mail
        content filter
        spamming
        advertis\w+ mail
    """,
    "size": r"""
        (?:message|mail|attachment|size|limit|nachricht|data)\b[^.\n]{0,50}(?:too (?:large|big)|message too long)
        (?:message|mail|attachment|size|limit|nachricht|data)\b[^.\n]{0,50}exceed[^.\n]{0,40}(?:size|limit|maximum|length)
        (?:message|mail|attachment|size|limit|nachricht|data)\b[^.\n]{0,50}(?:zu gro(?:ß|ss))
        size (?:limit )?exceed
        exceed\w{0,12} [^.\n]{0,40}(?:maximum |message )size
        too (?:big|large)\b
        larger than
        exceeds? size
    """,
    "loop": r"""
        mail loop
        loop(?:s|ing)? (?:back|detected)
        too many hops
        hop ?count
        routing loop
        forwarding loop
    """,
    "relay": r"""
        relay(?:ing)? (?:access )?(?:is )?(?:denied|not|prohibited|operation)
        not (?:permitted|allowed|able) to relay
        unable to relay
        \brelaying\b
        not a (?:valid )?gateway
        does not relay
        no relay
        relay not
        relay access
        rcpthosts
        isn't in my list
    """,
    "list": r"""
        not (?:a )?member
        members only
        mailing list
        not subscribed
        list is closed
        group (?:you|.{0,60}exist)
    """,
    "moved": r"""
        has (?:moved|changed)
        new address
        address (?:has )?changed
        user has moved
        no longer valid.{0,40}new
    """,
    "user-disabled": r"""
        OF[^.\n]{0,40}(?:\bdisabled|inactive)
        OF[^.\n]{0,40}(?:suspend|deactivat)
        OF[^.\n]{0,40}(?:discontinued|locked)
        OF[^.\n]{0,40}(?:frozen|not active)
        OF[^.\n]{0,40}(?:no longer (?:active|in use|accept))
        OF[^.\n]{0,40}(?:expired|gesperrt)
        disabled (?:mailbox|account|or discontinued)
        not accepting (?:mail|messages)
        inactive (?:user|account|mail)
    """,
    "host-unknown": r"""
        (?:host|domain)(?: name)?\b[^.\n]{0,30}(?:unknown|not found|does ?n[o']t exist|not exist|invalid|no mx)
        unknown (?:host|domain)
        host or domain
        no such (?:host|domain)
        name service error
        nxdomain
        unrouteable
        unroutable
        cannot resolve
        could not (?:be )?resolve
        dns (?:error|failure|lookup|server)
        domain .{0,60}couldn't be found
        no mx\b
        null ?mx
        does not accept mail
        invalid domain
        bad host
        name or service not known
        mx record
    """,
    "sender": r"""
        sender\b[^.\n]{0,40}(?:reject|denied|unknown|invalid|not (?:found|exist|allowed|accept)|verif|refused)
        (?:invalid|unknown|bad) (?:sender|return|envelope.from)
        from address
        mail from\b[^.\n]{0,60}(?:denied|reject|not (?:exist|allowed))
        sending domain
        domain of sender
    """,
    "user-unknown": r"""
        WHO[^.\n]{0,60}\b(?:unknown|invalid|unavailable|undefined|unbekannt|recipnotfound)
        WHO[^.\n]{0,60}\b(?:n[o']t (?:exist|found)|(?:wasn|couldn).t (?:be )?found|nicht (?:gefunden|bekannt|vorhanden))
        WHO[^.\n]{0,60}\bnot? (?:be )?(?:found|exist|known|listed|recogni[sz]ed|here|valid|local|such|a valid)
        NONE(?: or \w{1,20})?(?: [\w-]{1,40}){0,2} (?:user|recipient|mail ?box|account|address|alias|destination)
        NONE(?: or \w{1,20})?(?: [\w-]{1,40}){0,2} (?:local|person|userid|name|id)
        (?:does|do|did) ?n[o']t (?:exist|have an? \S+ account)
        isn't here
        no mailbox
        recipnotfound
        not our customer
        does not like recipient
        user \S{1,200} (?:not|unknown|is unknown)
        not listed in
        recipient not
        unknown user
        user doesn't
        no one by
        no account
        この(?:ユーザー|アドレス)
        見つかりません
        存在しません
        宛先
        なし
        エラー
        address not found
        address couldn't be found
        invalid final delivery
        no valid recipients
    """,
    "expired": r"""
        retry timeout
        time(?:out)? exceeded
        too long
        expired
        (?:attempts?|delivery)\b[^.\n]{0,20}\battempts
        giving up after
        in the queue
        undeliverable for \d
        failed \d+ attempts
        retried for
    """,
    "unreachable": r"""
        connect\w{0,12}\b[^.\n]{0,60}(?:timed ?out|refused|fail\w{0,12}|reset|lost|closed|dropped|broken)
        no route to host
        network (?:error|is unreachable|problem|unreachable)
        host (?:is )?(?:down|unreachable|not reachable)
        timed out
        (?:unable|could ?n[o']t|cannot|can't|failed|wasn't able) to (?:connect|establish|reach)
        conversation .{0,60}timed
        lost connection
        not reachable
        no answer
        didn't respond
        not respond
    """,
    "content": r"""
        attachment
        content (?:reject|not|type)
        illegal (?:char|content|attach)
        (?:message|mail) (?:content|format)\b
        not rfc
        non-?compliant
        missing (?:header|date|from|message)
        header
        filtered
        prohibited
        8.?bit
        charset
        \bmime\b
    """,
    "policy": r"""
        polic(?:y|ies)
        access (?:is )?denied
        not (?:allowed|permitted|authori[sz]ed|accept\w{0,12})
        administrative
        refused
        rejected
        reject
        denied
        forbidden
        prohibited
        restricted
        permission
        security
        blocked
        filter
        not wanted
    """,
    "protocol": r"""
        syntax
        protocol
        command
        sequence
        unrecogni[sz]ed
        helo
        ehlo
        tls
        not implemented
        parameter
    """,
    "system": r"""
        local (?:error|problem|configuration)
        internal (?:error|system|server)
        system (?:error|problem|not|config|is)
        service (?:is )?(?:un|not )available
        configuration
        temporary (?:failure|error|problem)
        try (?:again )?later
        i/o error
        resources
        server (?:error|busy|is)
        could not (?:create|open|write)
        procmail
        can't (?:create|open)
        deferred
    """,
}
_SHORT = {
    "WHO": r"(?:user|mail ?box|account|recipient|address|alias|login|\bid|name|local part|postfach|empf(?:ä|ae)nger"
    r"|resolver\.|e-?mail)\w{0,12}(?:\(s\))?\b",
    "NONE": r"(?:unknown|no such|invalid|illegal|bad|undeliverable|non-?exist\w{0,6}|not? valid)",
    "OF": r"(?:account|mailbox|user\w{0,6}(?:\(s\))?|address|recipient|postfach|konto)\b",
}


def _compiled(lines: str) -> re.Pattern[str]:
    text = "|".join([line.strip() for line in lines.strip().split("\n")])
    for name, meant in _SHORT.items():
        text = text.replace(name, meant)
    return re.compile(text, re.IGNORECASE)


@cache
def words() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Return each reason with its words. Compiled with the first report: nothing takes longer to begin with."""
    return tuple((reason, _compiled(lines)) for reason, lines in _PATTERNS.items())
