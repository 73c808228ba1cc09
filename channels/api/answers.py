"""What the API answers, as types: the OpenAPI document is made from them, and tests hold the answers against them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class LeadTaken(BaseModel):
    """The lead is stored."""

    model_config = ConfigDict(extra="forbid")

    lead_id: int | None = Field(description="The person. Null: nothing was stored.")
    request_id: int | None = Field(description="What they asked for. The same however often it is told.")
    created: bool = Field(description="Whether this person is new at this shop.")
    warnings: list[str] = Field(description="What was not recorded, and why.")


class WrongField(BaseModel):
    """One field that is wrong."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(
        description="Its name, as a form writes it: vehicle.year. Empty: the request as a whole."
    )
    pointer: str = Field(description="A JSON Pointer to it, in a URI fragment.")
    detail: str = Field(description="What is wrong with it.")


class Refusal(BaseModel):
    """Why a request was refused (RFC 9457)."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Which kind of refusal; stays the same.")
    title: str
    status: int
    detail: str
    errors: list[WrongField] = Field(default=[], description="The fields that are wrong, where any are.")
