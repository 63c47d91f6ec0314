import subprocess
import sys

import pytest

from posecli.networks.spec import SPECS, spec_of


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_spec_is_read_from_what_it_writes(spec):
    metadata = spec.to_metadata()
    assert all(isinstance(value, str) for value in metadata.values())
    assert spec_of({**metadata, "name": "mine"}) is spec
    for key in metadata:
        assert spec_of({**metadata, key: "other"}) is None
        assert spec_of({other: value for other, value in metadata.items() if other != key}) is None


def test_what_files_of_the_past_say():
    """Of format posecli/1: written for good."""
    written = [spec.to_metadata() for spec in SPECS]
    assert [fields["multiplier"] for fields in written] == ["0.50", "0.75", "1.00", "none"]
    assert [fields["architecture"] for fields in written] == [*["mobilenet_v1"] * 3, "resnet50"]
    assert spec_of({}) is None
    assert spec_of({"architecture": "mobilenet_v1", "multiplier": "0.5"}) is None


def test_a_spec_needs_no_network():
    code = "import sys, posecli.networks.spec; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
