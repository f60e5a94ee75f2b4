"""Well-formed, and against the rules: vehicle 1 cannot go FORWARD while it stands at a node."""

import json

print(json.dumps({"commands": [{"1": "FORWARD"}]}))
