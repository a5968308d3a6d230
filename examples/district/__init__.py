"""A fictional school district: sources to search, requests to answer, and the truth about both.

``python -m examples.district --items N --seed S --out DIR``. It imports none of the readers it tests: ids and
hashes are worked out again by its own few lines, so one error cannot hide on both sides.
"""
