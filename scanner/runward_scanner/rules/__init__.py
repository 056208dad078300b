"""The rules, one a file, all of them here."""

from runward_scanner.rules.rwd000 import Checkable
from runward_scanner.rules.rwd001 import OnlyToolRunnerRuns
from runward_scanner.rules.rwd002 import MetricsInFinally
from runward_scanner.rules.rwd003 import OnlyLifecycleStates
from runward_scanner.rules.rwd004 import OutcomesAreNoStates
from runward_scanner.rules.rwd005 import NoBypass
from runward_scanner.rules.rwd006 import LayerChain
from runward_scanner.rules.rwd007 import NoDynamicExecution

RULES = (
    Checkable,
    OnlyToolRunnerRuns,
    MetricsInFinally,
    OnlyLifecycleStates,
    OutcomesAreNoStates,
    NoBypass,
    LayerChain,
    NoDynamicExecution,
)
