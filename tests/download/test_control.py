import pytest

from posecli.download.control import Control
from posecli.download.outcomes import StoppedError


def test_the_caller_hears_nothing_after_the_end() -> None:
    heard: list[object] = []
    control = Control(heard.append, heard.append)
    control.count(5)
    control.retry("again")
    control.stop()
    for say in (lambda: control.count(6), lambda: control.retry("more"), control.go_on):
        with pytest.raises(StoppedError):
            say()
    assert heard == [5, "again"]


def test_a_step_is_done_before_the_end_or_not_at_all() -> None:
    control = Control(print, print)
    with control.unless_stopped():
        assert not control._lock.acquire(blocking=False)  # which `stop` waits for
    control.stop()
    with pytest.raises(StoppedError), control.unless_stopped():
        pytest.fail("the end was not seen")


def test_no_wait_outlasts_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the real wait, of an hour
    control = Control(print, print)
    control.wait(0)
    control.stop()
    with pytest.raises(StoppedError):
        control.wait(3600)
