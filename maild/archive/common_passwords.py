"""The commonest passwords of twelve characters and more: those that people who guess try first.

Shorter ones are refused by their length; words of offices with digits around them, and rows of keys, by
`maild.archive.passwords`. Folded: without capitals.
"""

from __future__ import annotations

COMMON_PASSWORDS = frozenset(
    """
    1q2w3e4r5t6y 1q2w3e4r5t6y7u 1q2w3e4r5t6y7u8i 1q2w3e4r5t6z 1q2w3e4r5t6z7u 1qaz2wsx3edc 1qaz2wsx3edc4rfv 1qazxsw23edc
    1qaz!qaz2wsx qazwsxedcrfv qazwsxedcrfvtgb zaq12wsxcde3 qwertyuiop12 qwertyuiop123 qwertyuiop[] qwertzuiopü
    qwertzuiop12 qwertzuiop123 qwertzuiop1234 asdfghjkl123 asdfghjklöä asdfghjklqwertyuiop qwerty123456 qwertz123456
    qwe123qwe123 asd123asd123 abcd1234abcd abc123abc123 abcdefg12345 abcdefgh1234 123456qwerty 123456789qwe 123456789abc
    1234567890qwerty 123qweasdzxc qweasdzxc123 1234qwerasdf qwer1234asdf zxcvbnm12345 yxcvbnm12345 1234567890ab
    123123123123 121212121212 112233445566 102030405060 147258369000 159753456852 789456123000 987654321000 741852963000
    321321321321 456456456456 password1234 password12345 password123456 password1234567890 passwort1234 passwort12345
    passwort123456 passw0rd1234 p@ssw0rd1234 p@ssword1234 p4ssw0rd1234 mypassword123 thisismypassword passwordpassword
    passwortpasswort meinpasswort meinpasswort1 meinpasswort123 dasistmeinpasswort hallohallohallo hallo1234567
    hallowelt123 ichliebedich ichliebedich1 ichliebedich123 ichliebdich1 ichhassedich schatzschatz schatzi12345
    sonnenschein sonnenschein1 sonnenschein123 sonnenblume1 sonnenblume123 schmetterling schmetterling1 gummibaerchen
    gummibärchen marienkaefer marienkäfer erdbeerkuchen fussballfussball fußballgott fussballgott1 bayernmuenchen
    bayernmünchen fcbayernmuenchen borussiadortmund werderbremen werderbremen1 herthabsc1892 eintrachtfrankfurt
    schalke04schalke deutschland1 deutschland123 oesterreich1 willkommen12 willkommen123 willkommen1234 willkommen2024
    willkommen2025 willkommen2026 startpasswort startpasswort1 anfangspasswort changeme1234 changemenow1 changeit1234
    letmeinletmein letmein12345 welcome12345 welcome123456 administrator administrator1 administrator123 superuser123
    sysadmin1234 iloveyou1234 iloveyouforever iloveyousomuch trustno1trustno1 starwars1234 superman1234 batman123456
    pokemon12345 football1234 baseball1234 basketball12 liverpool123 manchester1 manchesterunited chelsea12345
    arsenal12345 michael12345 jennifer1234 princess1234 sunshine1234 monkey123456 dragon123456 shadow123456 master123456
    freedom12345 whatever1234 computer1234 internet1234 unbelievable correcthorse correcthorsebatterystaple
    horsebatterystaple stadtverwaltung stadtverwaltung1 landratsamt123 buergerservice bürgerservice buergerbuero1
    bürgerbüro123 buergermeister bürgermeister oberbuergermeister oberbürgermeister rathaus12345 rathaus2024!
    rathaus2025! rathaus2026! kindergarten1 kindertagesstaette kindertagesstätte standesamt123 einwohnermeldeamt
    ordnungsamt1 ordnungsamt123 jugendamt1234 jugendamt123 sozialamt123 bauamt123456 finanzamt1234 poststelle12
    poststelle123 sekretariat1 sekretariat123 vorzimmer123 geburtstag123 weihnachten1 weihnachten123 weihnachtsmann
    sommerurlaub1 feierabend12 feierabend123 mittagspause1 wochenende123 kaffeepause1 kaffeekaffee geheimgeheim
    geheim123456 geheimnis123 ganzgeheim12 sehrgeheim123 topsecret123 keinpasswort keinpasswort1 keineahnung1
    keineahnung123 vergessen123 passwortvergessen weissnicht12 weißichnicht
    """.split()  # noqa: SIM905  # words are read more easily than literals
)
