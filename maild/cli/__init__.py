"""The verbs of the command line: thin, each prints text or JSON."""
