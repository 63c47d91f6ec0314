import importlib
import sys

import pytest

from posecli import pyav
from posecli.errors import MissingDependencyError


def test_without_pyav_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingDependencyError, match=r"PyAV.* cannot be loaded .*; run: pip install .*av"):
        importlib.reload(pyav)
