"""The alphabet of plain text messages (GSM 03.38); one other character more than doubles a text's price."""

from __future__ import annotations

# These cost two of the 160 places of a text (messaging facts 2.6).
GSM_EXTENDED = frozenset("^{}\\[~]|€")
GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
