"""Protos, statuses and the real gRPC server."""
