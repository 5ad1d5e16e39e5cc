"""The vocabulary of mail: pure values and functions, no I/O, no clock."""
