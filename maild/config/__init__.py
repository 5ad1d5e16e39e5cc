"""Settings: how the daemon runs. Declared once in `model`, read by `load`, documented by `reference`."""

from maild.config.kinds import Endpoint
from maild.config.load import load_settings
from maild.config.model import Settings

__all__ = ["Endpoint", "Settings", "load_settings"]
