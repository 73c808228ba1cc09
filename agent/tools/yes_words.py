"""Words of agreement, doubt and cancelling, in English and Spanish, as patterns over folded text (no accents)."""

from __future__ import annotations

import re


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


# A plain yes to what was proposed.
AGREES = _any(
    r"^y$|\b(?:yes|yep|yeah|yea|yup|yess+|affirmative|absolutely|definitely|of course|deal|confirm(?:ed|ing)?)\b",
    r"\bworks\b|\b(?:'ll|will|would|that|can|could|does) work\b|\bsounds? (?:good|great|perfect|fine|like a plan)\b",
    r"\b(?:please )?(?:book|reserve|schedule|pencil|lock|grab|hold)\b(?! (?:online|on your))",
    r"\b(?:put|sign|mark|set|get) (?:me|us|it) (?:down|in|up|for)\b|\blet'?s (?:do|go|book|take|make|move|say)\b",
    r"\bplease do\b|^(?:but )?please$|\bdo it\b|\bgo ahead\b|\bgo for it\b|\bgo with\b|\bcount me in\b|\bi'?m in\b|\bi'?m down\b",
    r"\b(?:i|we)(?:'ll| will|ll) (?:take|do|be there|come|go|bring|have|make|drop|see you)\b",
    r"\b(?:i|we) can (?:do|make|come|be|bring)\b|\bsee (?:you|ya|u)\b|\b(?:that|this) one\b|^(?:i'?ll )?take\b",
    r"\b(?:that'?s|that is|thats|is) (?:fine|good|great|perfect|ok|okay)\b",
    r"\b(?:move|switch|change|push|reschedule) (?:it|me|us|my|the|to)\b",
    r"\b(?:claro|dale|de acuerdo|adelante|hagamoslo|hagamos|ahi estare|nos vemos|quedamos|confirm[oae]\w*)\b",
    r"\bme (?:funciona|queda|sirve|conviene|parece) ?(?:bien|perfecto)?\b|\besta bien\b|\b(?:ese|esa|este|esta)$",
    r"\b(?:reserv|agend|apunt|anot)[a-z]*\b|\b(?:lo|la) (?:tomo|quiero)\b|\btomo\b|\bpuedo ir\b|\b(?:voy|ire|iremos)\b",
    r"\b(?:cambi|muev|mov)(?:e|a|ame|eme|alo|ela|ala|elo|emos)\b|^si(?:,| por favor| claro| gracias)?$",
)  # fmt: skip
# Counts together with a named time, or alone after a question of ours.
MILD = _any(
    r"\b(?:ok|okay|okey|k|kk|sure|great|good|fine|perfect|awesome|cool|nice|alright|all right|best|correct|right)\b",
    r"\b(?:please|pls|plz|thanks|thank you|thx|i want|i'?d like|i would like|i'?d love|i need|i'?d prefer|i prefer)\b",
    r"\b(?:vale|bueno|bien|genial|excelente|listo|perfecto|gracias|por favor|porfa|quiero|quisiera|prefiero|mejor|seria)\b",
)
MILD_ALONE = re.compile(
    r"\b(?:ok|okay|okey|k|kk|sure|great|good|fine|perfect|awesome|cool|alright|all right|correct|right"
    r"|vale|bueno|bien|genial|excelente|listo|perfecto)\b"
)
# A no, a doubt, a condition.
DOUBTS = _any(
    r"\b(?:no|nope|nah|not|never|neither|none|cannot|dont|cant|wont|doesnt|isnt|[a-z]+n't)\b",
    r"\b(?:wait|hold on|hold off|hang on|maybe|perhaps|might|unless|if|unsure|depends|tentative\w*|thinking)\b",
    r"\b(?:think (?:about|it over)|need to think|let me (?:check|see|think|ask)|get back to you|changed my mind)\b",
    r"\btoo (?:early|late|far|expensive|much|soon|long)\b|\b(?:busy|unfortunately|out of town|never ?mind|cancel\w*|stop)\b",
    r"\b(?:i'?m|i am|we'?re|we are) good\b(?! (?:with|for|on|to)\b)|\byeah right\b",
    r"\bbook(?:ed)? (?:elsewhere|somewhere else)\b|\bsomewhere else\b",
    r"\b(?:nunca|ningun\w*|tampoco|espere?\w*|quizas?|tal vez|a lo mejor|todavia|luego|depende|ocupad[oa]|pensar\w*)\b",
    r"\b(?:lo pienso|dejeme|dejame|otro dia|otra hora)\b|\bsi (?:puedo|puede|pueden|hay|tienen?|es|cuesta|sale|baja)\b",
)
# A yes that is still to come; a day in it is the day of the answer.
POSTPONES = _any(
    r"\b(?:will|'ll|ill|gonna|going to) (?:\w+ )?confirm\b|\blet (?:you|u|ya) know\b|\bget back to\b"
    r"|\b(?:manana|lunes|martes|miercoles|jueves|viernes|sabado|domingo) (?:te|le|les) \w+"
    r"|\b(?:te|le|les) (?:confirm|avis|dig|llam|escrib)\w* (?:manana|luego|despues|mas tarde|en la|por la|el \w+)\b"
    r"|\b(?:voy a|ire a) (?:ver|pensar|consultar|preguntar|checar|revisar|confirmar)\w*"
)
# What a yes hangs on holds whatever is said after it: "if it's under $400, yes".
CONDITION = _any(r"\b(?:if|unless|depend\w*|provided|as long as|only|siempre que|solo si|si)\b(?!$|,)")
# A wish for another time than the ones shown; none when it names a shown one.
ALTERNATIVE = _any(
    r"\b(?:instead|rather|other|another|different|else|earlier|sooner|later|despues|otr[oa]s?|diferente|mas (?:tarde|temprano))\b"
)
# Words of refusal that refuse nothing.
HARMLESS = _any(
    r"\bno (?:problem\w*|prob|worries|rush|hurry|need to (?:rush|hurry)|hay problema|se preocupe|pasa nada)\b",
    r"\bnot (?:a problem|bad|at all)\b|\bwhy not\b|\bcan'?t wait\b|\bdo(?:n'?t| not) (?:mind|worry)\b|\bwouldn'?t mind\b",
    r"\b(?:let me know )?if (?:you|u|i) (?:need|can|could|want|have any)\b.*|\bif possible\b"
    r"|\bif (?:that'?s|that is|it'?s|its) (?:ok|okay|fine|alright|good|possible|still (?:open|available))\b",
    r"\bcomo no\b|\bpor que no\b|\bno me (?:importa|molesta)\b|\bsee (?:you|ya|u) (?:later|then|soon)\b",
)
# A greeting names no time of day.
GREETING = re.compile(
    r"\b(?:good (?:morning|afternoon|evening|day|night)|buenos dias|buenas (?:tardes|noches)|buen dia)\b"
)
# A clause that asks, whatever its punctuation.
QUERY = re.compile(
    r"(?:and |so |also |y |but )?(?:what|how|when|which|where|who|why|does|do you|do i|are|am i|did|is (?:it|there|that|the"
    r"|my|this|\d)|can|could|will (?:it|you|there|the)|would (?:it|you|that)|may i|cuant\w*|cuando|que|cual\w*|como"
    r"|donde|puedo|puede\w*|podri\w+|hay|tienen?|se puede)\b"
)
ASKS = _any(r"\b(?:questions?|wonder(?:ing)?|curious|want to know|like to know|pregunta\w*|quiero saber)\b")
# Questions that are a choice when they name a shown time.
ASKS_FOR = _any(
    r"\b(?:can|could|may) (?:i|we) (?:please )?(?:have|take|get|do|book|come|grab|go|schedule|move|reschedule|switch"
    r"|change|drop|bring|cancel)\b",
    r"\b(?:can|could|will|would) (?:you|u) (?:please |pls )?(?:book|put|schedule|reserve|fit|move|switch|change|reschedule"
    r"|pencil|cancel|do|make)\b|^book\b",
    r"\bpued[eo]n?s? (?:tomar|ir|pasar|venir|agendar\w*|reservar\w*|apuntar\w*|mover\w*|cambiar\w*|dar\w*|llevar\w*"
    r"|cancelar\w*)\b|\bpodri\w+ (?:agendar\w*|reservar\w*|apuntar\w*|mover\w*|cambiar\w*|dar\w*|cancelar\w*|ir|llevar\w*)\b"
    r"|\bme (?:puede[ns]? )?(?:agend|reserv|apunt|anot|d[ao]r?\b|cancel)\w*",
)
ANY_OF_THEM = _any(
    r"\b(?:either|any of (?:them|those|these)|both work|whichever|any (?:one )?(?:works|is fine)|cualquier[ao]?)\b"
)
_NTH = r"(?: (?:one|option|time|slot|works?|is|sounds|please|hora|opcion))"
_NUMBER = r"(?:\b(?:option|opcion|number|numero|no\.?) ?|# ?)"
ORDINALS: tuple[tuple[re.Pattern[str], int], ...] = tuple(
    (re.compile(pattern), place)
    for pattern, place in (
        (rf"\b(?:the )?(?:first|1st)\b(?! (?:thing|available|of|week|time))|{_NUMBER}(?:1|one|uno)\b|^1$|^one$"
         r"|\b(?:the )?former\b|\b(?:l[ao] |el )?primer[ao]?\b(?! vez)", 0),
        (rf"\b(?:the )?(?:second|2nd|middle)(?:{_NTH}|$)|{_NUMBER}(?:2|two|dos)\b|^2$|^two$|\b(?:l[ao] |el )?segund[ao]\b", 1),
        (rf"\b(?:the )?(?:third|3rd)(?:{_NTH}|$)|{_NUMBER}(?:3|three|tres)\b|^3$|^three$|\b(?:l[ao] |el )?tercer[ao]?\b", 2),
        (rf"\b(?:the )?last(?:{_NTH}|$)|\b(?:the )?latter\b|\b(?:l[ao] |el )?ultim[ao]\b", -1),
        (rf"\b(?:the )?(?:earliest|soonest)(?:{_NTH}|$)|\b(?:the )?(?:earlier|sooner){_NTH}", 0),
        (rf"\b(?:the )?(?:latest|later){_NTH}|^the latest$", -1),
    )
)  # fmt: skip
# What may stand around a named time without saying anything else.
BARE = re.compile(
    r"\b(?:the|at|on|one|then|for|me|us|and|or|a|an|am|pm|o'?clock|slot|time|option|number|morning|afternoon|evening|next"
    r"|this|it|is|it's|i'm|that|with|very|so|much|you|to|of|hi|hey|hello|there|el|la|los|las|de|del|por|para|a|al|y|en"
    r"|mi|un|una|hora|hola|proximo|que|viene|tarde|manana|but|pero|um|uh|hmm|lets|just|would|be|hello)\b|[^a-z]"
)
# Asking to cancel, and taking that back.
CANCEL = _any(
    r"\bcancel(?:ar(?:la|lo|me)?|e[ns]?|en|elo|ela|a|ala|alo|o)?\b(?! (?:policy|fee|charge))|\bcall (?:it|the \w+) off\b",
    r"\b(?:i'?m|i am|we'?re|we are|will be) cancell?ing\b",
    r"\b(?:don'?t|do not|no longer|won'?t) (?:need|want) (?:it|the appointment|my appointment|this appointment)\b",
    r"\b(?:remove|delete|drop) my (?:appointment|booking)\b|\banul(?:ar\w*|e|a|ela|ala)\b"
    r"|\bya no (?:quiero|necesito) (?:la|mi|esa) cita\b",
)
KEEP = _any(
    r"\b(?:don'?t|do not|not|never|without|before|won'?t|no) (?:\w+ ){0,3}cancel\w*|\bif (?:i|we) (?:\w+ )?cancel|\binstead of"
    r" cancel|\bsi (?:yo )?cancelo\b|\bno (?:la |lo |me )?(?:cancel|anul)\w*|\b(?:wait|hold on|never ?mind|keep|espere?)\b",
    r"\bcancel\w* (?:policy|fee|charge)|\b(?:fee|charge\w*|penalty|free|cost|policy)\b.*\bcancel|\bcancel\w*\b.*\b(?:fee|"
    r"charge\w*|penalty|for free|policy|refund|up to|in case)\b",
)
