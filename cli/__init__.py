"""The ``daylight`` command.

A local run has its worker processes forked from a server, which loads what they need on another core. It is
started here, before the command loads anything itself: a tenth of a second later it would be waited for.
"""

import sys

if {"run", "--local"} <= set(sys.argv[1:]):
    from desk import pool

    pool.start()
