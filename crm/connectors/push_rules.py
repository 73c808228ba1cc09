"""How our bookings are written into the outside calendar: the part `push` of a connection's settings."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class PushRules(BaseModel):
    """Frozen, and a key nobody knows is a mistake.

    `exclusive`: what counts as a time that is taken in the outside calendar. `bays`: as many entries at once as the
    shop has bays; `technicians`: an entry of one of the technicians our entries are given to; `off`: nothing.
    `unknown_customer`: a customer the outside system does not know is left out of the entry (`without`), looked for by
    phone and email (`find`), or made there when not found (`create`). `no_show`: whether the entry of somebody who did
    not come is left or cancelled.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    exclusive: Literal["bays", "technicians", "off"] = "bays"
    unknown_customer: Literal["without", "find", "create"] = "without"
    no_show: Literal["leave", "cancel"] = "leave"
