"""What a clause says beside its yes: whatever is no courtesy, no repetition of what was offered and no talk of coming.

A yes is to one exact thing. "Yes for $300", "yes and the windshield too", "yes a person please" agree to something else,
so that nothing may be written before it was asked back. What is not known here counts as such, whatever it is: a
question too many costs the customer one word, a booking they did not mean costs their trust.
"""

from __future__ import annotations

import re

from agent.tools.yes_words import AGREES, HARMLESS, MILD


def _words(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


_PHRASES = re.compile(
    r"\b(?:my name is|my name's|name'?s|name is|me llamo|mi nombre es)(?: [a-z'-]+){1,3}$"
    r"|\b(?:have|enjoy|ten(?:ga|gan)?|que ten(?:ga|gas|gan)) (?:a|an|un|una)? ?(?:\w+ )?"
    r"(?:day|one|evening|night|weekend|dia|tarde|fin de semana)\b"
    r"|\b(?:looking|look) forward to\b(?: (?:it|that|seeing you|meeting you))?"
    r"|\bsorry\b(?: (?:for|about) .*)?|\b(?:disculp|perdon)\w*\b(?: (?:por|la|el) .*)?"
    r"|\b(?:i'?m|i am|we'?re|we are) (?:free|available|happy with|good with|good for|ok with|okay with|fine with|excited)\b"
    r"|\bstill (?:works?|good)\b|\byou guys? (?:rock|are (?:great|the best|awesome))\b|\bthat (?:would|will|'?ll) be\b"
    r"|\bi(?:'d| would) (?:like|love) (?:that|it|this|to)\b|\ba (?:lot|million|ton|bunch)\b"
    r"|\bi (?:do|would|confirm|accept|agree)\b|\bworth it\b|\bno further questions\b|\bin advance\b|\bas (?:you )?said\b"
    r"|\bcan'?t wait\b|\b[\w.+-]+@[\w-]+\.[\w.]+\b"
    r"|\bfor (?:getting|the|your) \w*(?:back|help|reply|response|message|info)\b(?: to me)?"
    r"|\b(?:quick|fast) (?:reply|response)\b|\bthat(?:'?s| is) the one\b|\b(?:the|that) (?:one|time) (?:i|we) want\b"
    r"|\bafter all\b|\binstead\b|\brather\b|\bal final\b|\b(?:could|can|shall|may) (?:we|i|you) (?:do|make|take|have)\b"
    r"|\ball (?:set|good)\b|\bthat'?s all\b|\bes todo\b"
    r"|\b(?:con|mucho) gusto\b|\bmil gracias\b|\bque (?:si|bien|bueno)\b|\bhasta (?:entonces|luego|pronto|manana)\b"
)
_WORDS = _words(
    # English: articles, pronouns and small words
    "a an the it its it's i i'm im i'll ill i'd we we're we'll you your yours u me us my our mine that that's thats this"
    " these those them then there here so and or as to too at on in of by with for from up down off out is are am be will"
    " would can could shall just very much really totally absolutely exactly perfectly definitely actually well also both"
    " pm oclock o'clock sharp around about noon"
    # answers and courtesy
    " yes ye yah yas yessir y si please pls plz thanks thank thx ty tysm thankyou cheers appreciate appreciated kindly"
    " hi hello hey heya dear good morning afternoon evening night day great awesome excellent wonderful fantastic lovely"
    " beautiful amazing brilliant super nice cool sweet happy glad love loved ideal best better bet word 10-4 roger copy"
    " lol haha hahaha oh ah um uh hmm man bro buddy dude sir ma'am maam team guys folks everyone all set ok okay sounds"
    " bye goodbye adios chao later soon regards sincerely best"
    # the visit itself
    " come coming go going get bring bringing drop dropping see seeing have make making do doing done take taking book"
    " booked booking schedule scheduled reserve reserved reservation set put mark lock confirm confirmed confirming"
    " appointment appt slot spot time times one option date day next work works working car vehicle auto ride"
    " in tint job install installation service forward ahead need want like prefer choose pick open free available us"
    " early"
    # Spanish
    " el la los las lo le les un una uno de del al por para con en mi su sus tu te se es son esta este esa ese eso esto ya"
    " muy tan mucho muchas muchos mil todo toda bien buena buenas buenos bueno dia dias tarde tardes noche hora horas cita"
    " carro coche manana senor senora senorita amigo amiga gracias saludos hola claro perfecto entonces alla ahi aqui estare"
    " estaremos llevo llevare pasar paso venir ir voy vamos nos vemos me y a o que parece funciona queda conviene sirve"
    " agendar agendala agendeme reservar apuntar apunteme opcion proximo proxima excelente genial"
    " correcto exacto confirmado confirmo acepto quiero quisiera gustaria encanta mejor listo lista vale dale sale va"
)
# Verbs that are no talk of coming unless a whole phrase of agreement holds them.
_NOT_ALONE = _words("have go get do need want like make take see free early last best better later soon all")
_ABOUT_MONEY = frozenset({"much", "free", "mucho", "best", "better"})
_TOKEN = re.compile(r"[a-z0-9$%#][\w$%'#.-]*")
# A question beside the yes that changes nothing about what is agreed to: where, how long, whether to wait.
_ASKED_BESIDE = _words(
    "where what when how which do does should must is are address located location parking park find shop wait waiting"
    " long take takes hours hour there stay leave drop key keys have to know before arrive i get need bring anything"
    " donde cual cuanto tarda direccion queda ubicados ubicado estan esta esperar dejar puedo tengo que hay debo"
)
_LEAVES = re.compile(r"\b(?:bye|goodbye|adios|chao)$")


def without_courtesy(rest: str) -> str:
    """Folded words without thanks, excuses and who writes."""
    return _PHRASES.sub(" ", rest)


def says_more(rest: str, known: frozenset[str], *, asks: bool) -> bool:
    """Whether folded words, the named times taken out, hold more than a yes. `known` are the words of what was offered
    and of the customer's own record; `asks`: the clause is a question beside the yes."""
    left = without_courtesy(rest)
    allowed = known | (_ASKED_BESIDE | _WORDS - _ABOUT_MONEY if asks else _WORDS - _NOT_ALONE)
    if not asks:
        left = HARMLESS.sub(" ", MILD.sub(" ", AGREES.sub(" ", left)))
    return any(not _is_known(token, allowed) for token in _TOKEN.findall(left))


def takes_leave(clause: str) -> bool:
    """Whether a clause is a goodbye, which makes a mild "ok" no answer."""
    return bool(_LEAVES.search(clause))


def _is_known(token: str, allowed: frozenset[str]) -> bool:
    # An amount is known only as the amount that was told, never as an hour or a day.
    amount = token.startswith("$") or "%" in token
    return token.rstrip(".-'") in allowed or (
        not amount and token.strip("'.-#").removesuffix("'s") in allowed
    )
