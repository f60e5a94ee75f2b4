"""Names every module that a Python file imports beyond a list: imports.py FILE [ALLOWED ...].

It reads the syntax tree and runs nothing. A courtesy to honest students, who learn at once that a module will
not be there; no wall, since Python can import in ways that no tree shows. The wall is the sandbox.
"""
import ast
import sys


def imported(tree):
    """Every (line, module) that an import statement names."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield node.lineno, "." * node.level + (node.module or "")
            elif node.module:
                yield node.lineno, node.module


def main(path, allowed):
    with open(path, "rb") as file:
        tree = ast.parse(file.read(), filename="source.py")

    def is_allowed(module):
        return any(module == name or module.startswith(name + ".") for name in allowed)

    refused = [(line, module) for line, module in sorted(imported(tree)) if not is_allowed(module)]
    for line, module in refused:
        print(f"line {line}: the module {module!r} may not be imported here", file=sys.stderr)
    if refused:
        print("allowed: " + (", ".join(sorted(allowed)) or "none"), file=sys.stderr)
        sys.exit(1)


main(sys.argv[1], sys.argv[2:])
