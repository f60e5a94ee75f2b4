"""What the tests of the AGV competition share: where things are, and how the evaluator is called."""

import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

# The folders under test hold what ships, so no test may leave a __pycache__ there.
sys.dont_write_bytecode = True

HOME = Path(__file__).resolve().parents[2]
EVALUATOR = HOME / "evaluator" / "evaluator.py"
TESTCASES = HOME / "testcases"
EXAMPLES = HOME / "examples"
EXAMPLE = (TESTCASES / "example" / "input.txt").read_text()

MIB = 1 << 20


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


evaluator = load(EVALUATOR)
generate = load(TESTCASES / "generate.py")


def case_names():
    return sorted(folder.name for folder in TESTCASES.iterdir() if folder.is_dir() and folder.name != "__pycache__")


def instance_text(nodes, starts, edges, tasks):
    lines = [[nodes, len(edges), len(tasks), len(starts)], starts, *edges, *tasks]
    return "\n".join(" ".join(map(str, line)) for line in lines) + "\n"


def plan_bytes(elements):
    return json.dumps({"commands": elements}).encode()


def evaluate(instance, plan):
    """The result of the evaluator, called in this process. `plan` is a list of elements, or the bytes of a file."""
    data = plan if isinstance(plan, bytes) else plan_bytes(plan)
    return evaluator.evaluate(evaluator.Instance(instance.encode()), data)


def limited(cpu_seconds, memory):
    def apply():
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return apply


def run_evaluator(instance, plan, cpu_seconds=60, memory=1024 * MIB):
    """The finished process of the evaluator, called as Podium calls it. `plan` is bytes, or an iterable of pieces."""
    with tempfile.TemporaryDirectory() as folder:
        input_path, output_path = Path(folder, "input.txt"), Path(folder, "output")
        input_path.write_text(instance)
        with open(output_path, "wb") as file:
            file.writelines([plan] if isinstance(plan, bytes) else plan)
        command = [sys.executable, "-I", str(EVALUATOR), str(input_path), str(output_path)]
        return subprocess.run(command, capture_output=True, text=True, cwd=folder, preexec_fn=limited(cpu_seconds, memory))
