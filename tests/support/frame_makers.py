"""Types of the fixtures that make frames and poses; for what they make, see conftest.py."""

from collections.abc import Callable

from posecli.poses import Poses
from posecli.sources import Clip, Frame

MakePoses = Callable[..., Poses]
MakeFrame = Callable[..., Frame]
MakeClip = Callable[..., Clip]
