"""The SMTP edge: sessions, transactions and content as they come over the wire."""
