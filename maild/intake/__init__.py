"""The writers of new mail: what comes in, may it and is it stored; and what leaves, which is stored before it does."""
