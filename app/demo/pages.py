"""Temporary."""
from fastapi import APIRouter

router = APIRouter(prefix="/demo", include_in_schema=False)
