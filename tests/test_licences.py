"""The list of licences speaks of what is locked."""

from licences import LIST, locked


def test_every_locked_package_is_listed() -> None:
    listed = {
        tuple(line.strip("| ").split(" | ")[:2]) for line in LIST.read_text().splitlines() if line.startswith("| ")
    }
    missing = [f"{name}=={version}" for name, version in locked() if (name, version) not in listed]
    assert not missing, f"make licences: {', '.join(missing)}"
