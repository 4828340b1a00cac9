"""What one would write first: FastAPI, python-jose, slowapi on Redis, one redis GET, a pydantic response."""

import os
from contextlib import asynccontextmanager
from typing import Annotated, Any

import orjson
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from jose import JWTError, jwt
from pydantic import BaseModel
from redis.asyncio import Redis
from slowapi import Limiter
from slowapi.util import get_remote_address

PUBLIC_KEY = os.environ["BENCH_PUBLIC_KEY"]
REDIS_URL = os.environ["BENCH_REDIS_URL"]
LIMIT_URL = os.environ["BENCH_LIMIT_URL"]


class Item(BaseModel):
    """An item."""

    item_id: str
    title: str
    image_url: str
    image_width: int
    image_height: int
    price: float
    price_formatted: str
    currency: str
    brand: str
    category: str
    availability: str
    url: str
    position: int
    score: float
    reason: str


class Answer(BaseModel):
    """An answer."""

    placement: str
    user_id: str
    items: list[Item]


@asynccontextmanager
async def lifespan(app: FastAPI) -> Any:
    """Keep one Redis client."""
    app.state.redis = Redis.from_url(REDIS_URL)
    yield
    await app.state.redis.aclose()


limiter = Limiter(key_func=get_remote_address, storage_uri=LIMIT_URL)
app = FastAPI(lifespan=lifespan)
app.state.limiter = limiter
bearer = HTTPBearer()


def caller(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> dict[str, Any]:
    """Verify the token."""
    try:
        return jwt.decode(credentials.credentials, PUBLIC_KEY, algorithms=["RS256"], audience="morsel")
    except JWTError as error:
        raise HTTPException(401) from error


@app.get("/v1/recommendations")
@limiter.limit("100000000/minute")
async def recommendations(request: Request, placement: str, user_id: str, who: Annotated[dict[str, Any], Depends(caller)]) -> Answer:
    """Answer with the items that Redis holds for the person."""
    raw = await request.app.state.redis.get(f"naive:{user_id}")
    return Answer(placement=placement, user_id=user_id, items=orjson.loads(raw) if raw else [])
