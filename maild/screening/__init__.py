"""The opinions of others about a mail: spam and virus scanners, block lists, and the patience of its peer."""
