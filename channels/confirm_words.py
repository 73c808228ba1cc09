"""Whether a message is nothing but the word by which a visit is confirmed: "C", "yes", "confirmo".

The whole message has to be such a word, with thanks or a greeting at most. Anything else is talk, and talk is the agent's:
"yes but can we make it 3?" confirms nothing. CANCEL and END are stops of the carriers and are read before this.
"""

from __future__ import annotations

import re
import unicodedata

# A letter or a word; the reminder asks for the first by text and for the second by mail.
_WORD = (
    r"(?:c|confirm|confirms|confirmed|confirming|yes|y|yep|yeah|yess+|si|confirmo|confirmado|confirmada|confirmar"
    r"|(?:yes|si|yep|yeah) (?:i )?(?:confirm|confirmed|confirmo|c)|i confirm|i do confirm|lo confirmo|la confirmo"
    r"|confirm (?:it|appointment|my appointment|the appointment)|confirmo (?:mi|la) cita|please confirm it)"
)
_POLITE = r"(?:please|pls|thanks|thank you|thx|ty|gracias|muchas gracias|por favor|hi|hello|hola|ok|okay|great|perfect)"
_WHOLE = re.compile(rf"(?:{_POLITE} )*{_WORD}(?: {_POLITE})*")
LONGEST = 60


def is_confirmation(words: str) -> bool:
    """Whether these words, a whole message, confirm what was asked. Never raises."""
    if len(words) > LONGEST:
        return False
    folded = unicodedata.normalize("NFKD", words.casefold())
    # A question mark is a question, whatever stands before it; an emoji may mean anything.
    if "?" in folded:
        return False
    plain = "".join(char for char in folded if not unicodedata.combining(char))
    if re.search(r"[^\w\s.,!;:\"'()\-\u201c\u201d\u2018\u2019]", plain):
        return False
    return _WHOLE.fullmatch(" ".join(re.findall(r"[a-z0-9]+", plain))) is not None
