"""Build the image of the Dockerfile where a builder is here; otherwise check the file.

    python scripts/build_image.py [TAG]

The check parses the file with dockerfile-parse (pip install dockerfile-parse), and adds the
measured size of the packages to that of the base image.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BUILDERS = ("docker", "podman", "buildah")
INSTRUCTIONS = {
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL"),
    *("ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR", "COMMENT"),
}
MAX_BYTES = 1_000_000_000
BASE_BYTES = 130_000_000
"""Of python:3.11-slim."""

PACKAGE_BYTES = 805_000_000
"""Of what docs/slim.txt and featx install on x86-64, with the compiled files that are kept."""


def main() -> int:
    """Build, or check; return the exit code."""
    tag = sys.argv[1] if len(sys.argv) > 1 else "featx"
    builder = next((name for name in BUILDERS if _works(name)), None)
    if builder:
        subprocess.run([builder, "build", "-t", tag, str(ROOT)], check=True)
        return _report(_image_bytes(builder, tag), f"{tag}, built by {builder}")
    print(f"None of {', '.join(BUILDERS)} works here: the Dockerfile is checked, not built.")
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    faults = find_faults(text)
    for fault in faults:
        print(f"Dockerfile: {fault}")
    return bool(faults) or _report(BASE_BYTES + PACKAGE_BYTES, "python:3.11-slim and the packages")


def find_faults(text: str) -> list[str]:
    """Return what is wrong with a Dockerfile, a sentence each."""
    steps = _steps(text)
    names = [step["instruction"] for step in steps]
    faults = [f"unknown instruction {name}" for name in names if name not in INSTRUCTIONS]
    stages = [i for i, name in enumerate(names) if name == "FROM"]
    if not stages or any(name not in ("ARG", "COMMENT") for name in names[: stages[0]]):
        return [*faults, "it must begin with FROM"]
    bases = [steps[i]["value"].split()[0] for i in stages]
    faults += [f"FROM {base} names no version" for base in bases if ":" not in base]
    final = {step["instruction"]: step["value"] for step in steps[stages[-1] :]}
    if final.get("USER", "root") in ("root", "0"):
        faults.append("the last stage runs as root: add USER")
    for name in ("ENTRYPOINT", "CMD"):
        if not _is_list(final.get(name, "")):
            faults.append(f"{name} must be a JSON list, which needs no shell")
    for step in steps:
        if step["instruction"] == "COPY" and not step["value"].startswith("--from"):
            sources = step["value"].split()[:-1]
            faults += [f"COPY {s}: no such file" for s in sources if not (ROOT / s).exists()]
    return faults


def _steps(text: str) -> list[dict[str, Any]]:
    try:
        from dockerfile_parse import DockerfileParser
    except ImportError:
        raise SystemExit("the check needs dockerfile-parse: pip install dockerfile-parse") from None
    import io

    steps: list[dict[str, Any]] = DockerfileParser(fileobj=io.BytesIO(text.encode())).structure
    return steps


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False


def _works(builder: str) -> bool:
    try:
        return subprocess.run([builder, "info"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _image_bytes(builder: str, tag: str) -> int:
    command = [builder, "inspect", "--type", "image", tag]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    document: Any = json.loads(done.stdout)
    record = document[0] if isinstance(document, list) else document
    return int(record.get("Size", 0))


def _report(n_bytes: int, what: str) -> int:
    print(f"{what}: {n_bytes / 1e6:.0f} MB, at most {MAX_BYTES / 1e6:.0f} MB")
    return int(n_bytes > MAX_BYTES)


if __name__ == "__main__":
    sys.exit(main())
