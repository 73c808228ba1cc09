"""Phone numbers: E.164 in storage, nothing else."""

from __future__ import annotations

import phonenumbers


def e164(raw: str | None, region: str = "US") -> str | None:
    """The E.164 form of a number as a person typed it, or None when it is no valid number.

    An extension is dropped, since nobody can text one. Being readable is not being valid, so both are asked
    (messaging facts 5). Short codes are no phone numbers and give None.
    """
    if not raw:
        return None
    try:
        number = phonenumbers.parse(raw, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
