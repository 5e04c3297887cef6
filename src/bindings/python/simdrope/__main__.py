"""python -m simdrope: the simdrope command."""
import os
import sys

from . import _command

command = str(_command.path())
os.execv(command, [command, *sys.argv[1:]])
