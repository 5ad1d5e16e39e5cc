"""The way in: may it come, and is it stored."""
