"""Fixtures of the archive's tests."""

from __future__ import annotations

from tests.postgres import postgresql, postgresql_server

__all__ = ["postgresql", "postgresql_server"]
