"""Malformed requests of every kind against a real server, which has to refuse them one by one and go on serving."""
