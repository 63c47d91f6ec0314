from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posecli.errors import UsageError
from posecli.pyav import av
from posecli.sinks.codecs import check_codec, coarsened


@given(numerator=st.integers(1, 1001), denominator=st.integers(1, 10**6))
def test_a_time_base_that_mpeg4_cannot_write_becomes_one_that_it_can(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    coarse = coarsened(exact, 2**16 - 1)
    assert coarse.denominator < 2**16
    assert coarse == exact or coarse < Fraction(1, 30000)


def test_a_codec_that_this_build_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    real = av.Codec

    def codec(name: str, mode: str) -> object:
        if name in ("libx264", "libx265"):
            raise av.codec.codec.UnknownCodecError(name)
        return real(name, mode)  # type: ignore[arg-type]

    monkeypatch.setattr(av, "Codec", codec)
    message = "--codec h264 is not in this build of PyAV; it has av1, vp9, mpeg4, gif"
    with pytest.raises(UsageError, match=f"^{message}$"):
        check_codec("h264")
    check_codec("gif")
