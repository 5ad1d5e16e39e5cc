"""Benchmarks: maild beside the mail servers that people run today, on the same machine in the same minutes."""
