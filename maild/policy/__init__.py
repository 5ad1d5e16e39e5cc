"""Who may do what: the only place that turns dated grants into rights."""
