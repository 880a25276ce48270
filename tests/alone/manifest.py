"""Prints the manifest that a feature has where it is a project of its own: what it takes from the workspace stands in
full, and of the repository it gets the facade alone.

    manifest.py REPOSITORY FEATURE
"""

import json
import sys
import tomllib
from pathlib import Path

REPOSITORY, FEATURE = Path(sys.argv[1]), sys.argv[2]
FACADE = "tidings"

workspace = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]
manifest = tomllib.loads((REPOSITORY / FEATURE / "Cargo.toml").read_text())


def inline(value):
    """A value as TOML writes it in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {inline(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)


def dependency(name, wanted):
    """What a dependency is without the workspace."""
    if not (isinstance(wanted, dict) and wanted.get("workspace")):
        return wanted
    known = workspace["dependencies"][name]
    known = dict(known) if isinstance(known, dict) else {"version": known}
    if "path" in known:
        if name != FACADE:
            sys.exit(f"alone: {FEATURE} depends on {name}; a feature depends on `{FACADE}` and on nothing else of Tidings")
        known["path"] = str(REPOSITORY / known["path"])
    if more := wanted.get("features"):
        known["features"] = [*known.get("features", []), *more]
    return known


package = manifest["package"]
print(f'[package]\nname = {json.dumps(package["name"])}\nversion = "0.1.0"\nedition = "{workspace["package"]["edition"]}"')
print("publish = false\n\n[dependencies]")
for name, wanted in manifest["dependencies"].items():
    print(f"{name} = {inline(dependency(name, wanted))}")
print(
    """
# As in the repository, so that what was built there need not be built again.
[profile.dev]
debug = "line-tables-only"

[profile.dev.package."*"]
opt-level = 2
debug = false

[workspace]"""
)
