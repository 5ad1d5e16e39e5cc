"""maild: mail for offices."""

__version__ = "0.1.0"
