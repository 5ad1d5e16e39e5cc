"""The queue, in SQL: what is on its way out, who has it in hand, and what became of it.

`claiming` says who has what in hand, `working` records tries and what came of them, `acts` has what people do,
`listing` what they are shown, `messages` the messages themselves. `carrying` makes deliveries of what rules ask for, to
the `places` that they name, and `copies` those for members; `authors` keeps what authors are to hear. Nothing else
outside `maild.archive` speaks SQL.
"""
