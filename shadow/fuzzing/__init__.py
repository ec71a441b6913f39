"""Requests made of recorded ones, or of an OpenAPI document: pure, and the same for one seed."""
