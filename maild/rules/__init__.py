"""What happens to mail: the language of rules.yaml, its loader and its engine."""
