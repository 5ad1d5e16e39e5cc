"""In which language a text is written, or that it cannot be told.

Function words (and, the, not) make up a third of any running text, and hardly any of them belongs to two languages at
once: counting them tells languages apart without a model. The answer is given only when one language clearly
leads; a short line, a table, a mixture, or a language that is not known here gives none.
"""

from __future__ import annotations

import re
from functools import cache

from maild.mail.address import fold

_READ = 2_000  # characters: as many words as are needed, and a bound on the work
_LEAST_WORDS = 3
_LEAST_SHARE = 0.15  # of the different words
_LEAD = 1.5  # over the next language
_WORD = re.compile(r"[^\W\d_]{2,}")  # single letters are initials and marks as often as words

_WORDS = {
    "ar": "في من على إلى أن عن هذا هذه التي الذي ما لا مع كان ذلك بعد قد هل لم أو كل إن لقد حتى أنا نحن هو هي كما يمكن",
    "bg": "на за да не се от по са че но ще как това към или ми ви аз ние той тя бъде може при след съм ли като",
    "da": "og jeg det at en den til er som på de med han af for ikke der var mig sig men et har om vi min havde nu"
    " over da fra du ud dem os op hvad kan vil skal også eller hvis efter være blev meget venlig hilsen mvh noget",
    "de": "der die das und in den von zu mit sich des auf für ist im dem nicht ein eine als auch es an er hat aus bei"
    " wir nach am sie ich ihr ihre ihrer ihnen ihren mich mir uns unser unsere sind war oder aber wenn wie noch nur"
    " dass einen einer einem kann können bitte vielen dank guten tag sehr geehrte geehrter damen herren freundlichen"
    " freundliche grüsse grüssen haben habe werden wird würde um über zum zur bis vor ja nein hallo danke wurde so"
    " doch schon möchte mein meine meinen meiner was wann wo warum keine kein diese dieser dieses hiermit da durch",
    "en": "the of and to in is that for it as was with be by on not he this are or his from at which but have an"
    " had they you were their one all we can her has there been if more when will would who so no out what up your my"
    " me our please dear thank thanks regards hello do does could should about any some how than them these us",
    "es": "el la de que en un ser se no haber por con su para como estar tener le lo todo pero más hacer poder"
    " este ir otro ese si me ya ver porque dar cuando muy sin vez mucho saber qué sobre mi alguno mismo también hasta"
    " los las del al una es son está he ha gracias saludos buenos días estimado estimada señor nos usted ustedes",
    "fa": "در به از که این را با است برای آن یک خود تا کرد بر هم نیز گفت می شود شده ما اما یا باید هر من شما او اگر",
    "fr": "le la les de des du un une et en est que qui dans pour pas sur au aux ce cette ces il elle nous vous je"
    " ne se son sa ses avec par plus mais ou où on sont été être avoir ai avez leur bien si tout même comme mon ma"
    " mes votre vos notre nos qu merci bonjour madame monsieur cordialement faire fait aussi",
    "it": "il lo la gli le di da in con su per tra che non un una uno si del della dei delle degli al alla ai"
    " alle dal dalla nel nella sul sono ho ha abbiamo come ma anche se più mi ci vi questo questa quello mio sua suo"
    " loro essere avere stato grazie buongiorno gentile signora signore cordiali saluti quando perché dove molto",
    "nb": "og jeg det at en den til er som på de med han av for ikke der var meg seg men et har om vi min hadde nå"
    " over da fra du ut dem oss opp hva kan vil skal også eller hvis etter være ble veldig vennlig hilsen mvh noe hei",
    "nl": "de het een en van in is dat op te zijn met voor niet aan er om ook als bij naar dan maar of hij ze ik je we"
    " wij uw mijn ons onze dit die deze door over uit tot heeft heb hebben wordt worden was kan kunnen zou zal nog"
    " wel geen meer zo wat waar wanneer graag beste geachte vriendelijke groet groeten bedankt mij",
    "pl": "na do się nie to że jest jak za od po ale co dla czy tak przez już tylko ja ich jego jej mnie mi my"
    " wy on ona oraz lub przy ten ta te tego tej być był była może można proszę dziękuję dzień dobry szanowni państwo"
    " pan pani pozdrawiam bardzo mam są będzie pod który która które ze we moje moja",
    "pt": "os as de do da dos das que em no na nos nas um uma para com não por se mais como mas foi ao aos ele"
    " ela seu sua ou ser quando muito há já está eu também só pelo pela até isso são tem meu minha nós vocês você"
    " obrigado obrigada bom dia caro senhor senhora cumprimentos me lhe este esta",
    "ro": "și în de la cu pe nu să se un din că pentru este mai care sunt am fi ce dar au ai fost sau îmi vă mă"
    " lui ei le al ale prin după până dacă când foarte bună ziua mulțumesc stimată stimate domnule doamnă respect"
    " fără acest această ca eu noi dumneavoastră aș",
    "ru": "не на что он как это по но они ты из мы за вы так же от бы то его для если или уже ли мне"
    " был была было есть до при только ещё еще меня нас вас ваш мой моя мы здравствуйте спасибо пожалуйста добрый"
    " день уважением когда чтобы все может можно нет да ее её их",
    "sv": "och att det som en på är av för med den till inte har de ett om vi jag var han men sig från så kan man"
    " när år under också efter eller nu där mot vid kommer ut får finns vara hade alla andra mycket än här då skulle"
    " vill mig min mitt er ni hej tack vänliga hälsningar",
    "tr": "ve bir bu için de da ne ile çok ama gibi daha var mı mi mu olarak olan sonra kadar ben biz siz ben en her"
    " şey değil ki ya veya benim sizin bizim olduğu oldu olur nasıl lütfen teşekkür ederim teşekkürler merhaba sayın"
    " iyi günler saygılarımla istiyorum ediyorum yok hem ancak bana size",
    "uk": "не на що він як це по але вони до ти із ми за ви так же від би та його для якщо або вже чи мені"
    " був була було при тільки ще мене нас вас ваш мій моя добрий день дякую будь ласка вітаю повагою коли щоб все"
    " може можна ні її їх про",
}
LANGUAGES = tuple(_WORDS)


@cache
def _languages_by_word() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for language, words in _WORDS.items():
        for word in dict.fromkeys(words.split()):
            found[word] = (*found.get(word, ()), language)
    return found


@cache
def _telling() -> frozenset[str]:
    return frozenset(_languages_by_word())


def words_that_tell(text: str) -> list[str]:
    """Return the function words in a text, folded, each once: they tell its language, and nothing of its writer."""
    own = [line for line in text[:_READ].split("\n") if not line.lstrip().startswith(">")]
    words = dict.fromkeys(_WORD.findall(fold("\n".join(own))))
    return [word for word in words if word in _languages_by_word()]


def language_of(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language, one of `LANGUAGES`; None when it cannot be told.

    Quotations (`>`) do not count: they may be in the language of whoever is answered.
    """
    own = [line for line in text[:_READ].split("\n") if not line.lstrip().startswith(">")]
    words = set(_WORD.findall(fold("\n".join(own))))
    counts: dict[str, int] = {}
    by_word = _languages_by_word()
    for word in words & _telling():
        for language in by_word[word]:
            counts[language] = counts.get(language, 0) + 1
    if not counts:
        return None
    first, second, *_ = (*sorted(counts.items(), key=lambda item: -item[1]), ("", 0))
    enough = first[1] >= max(_LEAST_WORDS, _LEAST_SHARE * len(words))
    return first[0] if enough and first[1] >= _LEAD * second[1] else None
