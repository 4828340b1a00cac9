"""Wire shapes of people."""

from pydantic import BaseModel, Field


class ConsentIn(BaseModel):
    """What a person said about personal answers."""

    personalisation: bool = Field(strict=True)


class ConsentOut(BaseModel):
    """The stored consent; `applied` tells whether answers follow it already (else within moments, once Redis is back)."""

    user_id: str
    personalisation: bool
    applied: bool
