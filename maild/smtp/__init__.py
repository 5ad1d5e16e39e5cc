"""The SMTP edge: the only place that knows aiosmtpd."""
