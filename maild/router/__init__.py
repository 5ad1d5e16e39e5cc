"""From accepted to filed: reads, routes and files what intake has stored."""
