"""What importing the client brings along."""

import subprocess
import sys

LIST_MODULES = "; import sys; print('\\n'.join(sorted(sys.modules)))"


def modules_after(statement):
    """Give the names of the modules that a fresh interpreter has after a statement."""
    done = subprocess.run([sys.executable, "-c", statement + LIST_MODULES], check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def roots(modules):
    """Give the top-level names of modules."""
    return {module.partition(".")[0] for module in modules}


def test_client_and_command_line_import_neither_service_nor_scanner():
    """The client stands alone: the service and the scanner are found by entry points, and only when called."""
    loaded = roots(modules_after("import runward, runward.cli.main"))
    assert "runward" in loaded
    assert not loaded & {"runward_service", "runward_scanner"}


def test_client_is_light():
    """A service that imports the client gets neither click nor rich."""
    assert not roots(modules_after("import runward")) & {"click", "rich"}
