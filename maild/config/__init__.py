"""How the daemon runs: settings from maild.toml, the environment and credentials."""
