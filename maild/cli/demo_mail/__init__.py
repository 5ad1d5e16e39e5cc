"""Sample mail for `maild demo`: letters.yaml has the words, `build` makes messages of them."""
