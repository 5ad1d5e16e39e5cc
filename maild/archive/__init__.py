"""The permanent record: content, envelope, conversations, search. Speaks SQL, as only `delivery.queue` does besides."""
