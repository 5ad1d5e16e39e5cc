"""The browser edge: the only place that knows the web framework and templates."""
