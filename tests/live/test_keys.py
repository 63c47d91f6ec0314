from posecli.live.keys import KEYS, Action, action_of


def test_each_action_has_one_entry_and_each_character_one_action() -> None:
    assert sorted(key.action.value for key in KEYS) == sorted(action.value for action in Action)
    characters = "".join(key.characters for key in KEYS)
    assert len(set(characters)) == len(characters)


def test_keys_as_people_press_them() -> None:
    assert action_of(27) is Action.QUIT  # Esc
    assert action_of(ord("Q")) is action_of(ord("q")) is Action.QUIT
    assert action_of(ord(" ")) is Action.PAUSE
    assert [action_of(ord(digit)) for digit in "0123"] == [None, Action.FAST, Action.BALANCED, Action.BEST]


def test_the_label_is_what_to_press() -> None:
    for key in KEYS:
        assert key.label == {" ": "space"}.get(key.characters[0], key.characters[0])
