"""The permanent record: content, envelope, conversations, search. The only place that speaks SQL."""
