"""``python -m runward``: the command ``runward`` of this interpreter's environment."""

from runward_command import main

main()
