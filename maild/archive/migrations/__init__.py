"""The history of the schema, run by the program itself: `upgrade` at `maild init` and at every start."""
