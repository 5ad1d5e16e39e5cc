"""What the mail system offers as proof of a sender: SPF, DKIM, DMARC, ARC."""
