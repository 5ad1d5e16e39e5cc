"""The verbs of the command line: thin, each in a module that only its own use imports."""
