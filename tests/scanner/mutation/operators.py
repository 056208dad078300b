"""Every operator, in the order of the matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.scanner.mutation.dynamic_operators import DYNAMIC_OPERATORS
from tests.scanner.mutation.end_operators import END_OPERATORS
from tests.scanner.mutation.layer_operators import LAYER_OPERATORS
from tests.scanner.mutation.leak_operators import LEAK_OPERATORS
from tests.scanner.mutation.metrics_operators import METRICS_OPERATORS
from tests.scanner.mutation.run_operators import RUN_OPERATORS
from tests.scanner.mutation.runner_operators import RUNNER_OPERATORS
from tests.scanner.mutation.state_operators import STATE_OPERATORS
from tests.scanner.mutation.swallowing_operators import SWALLOWING_OPERATORS
from tests.scanner.mutation.validation_operators import VALIDATION_OPERATORS

if TYPE_CHECKING:
    from tests.scanner.mutation.mutation_operator import Operator

OPERATORS: tuple[Operator, ...] = (
    *RUN_OPERATORS,
    *METRICS_OPERATORS,
    *RUNNER_OPERATORS,
    *STATE_OPERATORS,
    *VALIDATION_OPERATORS,
    *END_OPERATORS,
    *SWALLOWING_OPERATORS,
    *LEAK_OPERATORS,
    *LAYER_OPERATORS,
    *DYNAMIC_OPERATORS,
)
