"""Kibana: a request's data view, Discover session and dashboard, and the call that sends them."""
