"""The shared vocabulary of every room: models, ids, errors, settings, evidence, catalogue, ledger, audit.

This room imports no other room.
"""
