"""Builds everything from Settings and runs it: the only place that owns the clock, chance and signals."""

from maild.app.daemon import run_daemon

__all__ = ["run_daemon"]
