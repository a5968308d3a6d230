"""Outlook data files (PST), written from their published layout ([MS-PST], Microsoft Open Specifications).

No package writes them. This is for the tests, the benchmarks and the fictional district: it shares no code
with what reads such files. ``nodes`` has the layer of blocks and B-trees (section 2.2), ``tables`` that of
lists, tables and properties (2.3), ``mailbox`` folders, messages and attachments (2.4).
"""
