"""The queue, in SQL: what is on its way out, who has it in hand, and what became of it.

`working` has the units of work, `acts` what people do, `listing` what they are shown, `leaving` the messages
themselves, and `carrying` makes deliveries of what rules ask for. Nothing else outside `maild.archive` speaks SQL.
"""
