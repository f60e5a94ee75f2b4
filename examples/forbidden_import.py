"""Imports a module that a competition may not want. Where config.toml sets allow_imports, this is rejected unrun.

Without that setting it runs, for the sandbox and not the import list is what keeps programs in, and its plan delivers
nothing.
"""

import socket

print('{"commands": []}' if socket else "")
