"""The soak: what a random search tries in an hour or two, of which the test suite runs a slice.

A part is a function ``run(tally, count, seed)`` that tries ``count`` cases and tells the ``Tally``; it is one
line in ``PARTS`` of ``__main__``.
"""
