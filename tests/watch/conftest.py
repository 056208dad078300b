"""One service for the tests of a module."""

from tests.execution.conftest import service

__all__ = ["service"]
