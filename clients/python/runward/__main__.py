"""``python -m runward``: the command ``runward`` of this interpreter's environment."""

from runward.cli.main import main

main()
