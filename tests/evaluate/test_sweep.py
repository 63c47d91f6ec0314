import pytest

from posecli.errors import UsageError
from posecli.evaluate.sweep import check_distinct, combinations, parse_axis
from posecli.options import EstimatorOptions, resolve_options


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("size=257,353", "size", (257, 353)),
        ("--size=257", "size", (257,)),
        ("score-threshold=0.1,0.5", "score_threshold", (0.1, 0.5)),
        ("score_threshold = 0.1, 0.5", "score_threshold", (0.1, 0.5)),
        ("decoder=tfjs,port2018", "decoder", ("tfjs", "port2018")),
        ("preset=tfjs,port2018", "preset", ("tfjs", "port2018")),
        ("model=mobilenet-075@8,own.safetensors", "model", ("mobilenet-075@8", "own.safetensors")),
        ("flip-test=no,yes", "flip_test", (False, True)),
        ("single=0,TRUE", "single", (False, True)),
        ("scales=1,0.7+1+1.4", "scales", ((1.0,), (0.7, 1.0, 1.4))),
        ("threads=1,2", "threads", (1, 2)),
    ],
)
def test_values_take_the_type_of_their_option(text: str, name: str, values: tuple[object, ...]) -> None:
    axis = parse_axis(text)
    assert (axis.name, axis.values) == (name, values)
    assert [type(value) for value in axis.values] == [type(value) for value in values]
    for value in values:
        assert getattr(resolve_options(**{name: value}), name) is not None


def test_every_option_has_a_type_that_is_understood() -> None:
    defaults = EstimatorOptions()
    for name in EstimatorOptions.__dataclass_fields__:
        default = getattr(defaults, name)
        if default is None:
            continue
        label = "+".join(map(str, default)) if isinstance(default, tuple) else str(default)
        assert parse_axis(f"{name}={label}").values == (default,)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("size", "expected NAME=VALUE,VALUE"),
        ("size=", "expected NAME=VALUE,VALUE"),
        ("size=257,,353", "expected NAME=VALUE,VALUE"),
        ("size=257,257", "a value comes twice"),
        ("size=big", "a value does not suit --size"),
        ("flip-test=perhaps", "a value does not suit --flip-test"),
        ("scales=1,+", "a value does not suit --scales"),
        ("sise=257", "no option 'sise' (did you mean size?); choose one of decoder, single"),
    ],
)
def test_what_is_no_sweep(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_axis(text)
    assert str(caught.value).startswith(f"--sweep {text}: {why}")


def test_every_combination() -> None:
    settings = combinations([parse_axis("size=257,353"), parse_axis("single=no,yes")])
    assert [setting.labels for setting in settings] == [("257", "no"), ("257", "yes"), ("353", "no"), ("353", "yes")]
    assert settings[1].values == {"size": 257, "single": True}
    assert [setting.values for setting in combinations([])] == [{}]


def test_an_option_comes_once() -> None:
    with pytest.raises(UsageError, match="--sweep nms-radius comes twice"):
        combinations([parse_axis("nms-radius=1"), parse_axis("nms_radius=2")])


def test_settings_that_resolve_alike_are_refused() -> None:
    settings = combinations([parse_axis("quality=fast,balanced"), parse_axis("single=no,yes")])
    apart = [(setting, resolve_options(**setting.values)) for setting in settings]
    check_distinct(apart)
    alike = [(setting, resolve_options(**setting.values, size=257)) for setting in settings]
    with pytest.raises(UsageError, match="--sweep: fast no and balanced no are the same setting here; leave one"):
        check_distinct(alike)


def test_one_value_does_not_vary() -> None:
    assert [parse_axis(text).varies for text in ("size=257", "size=257,353")] == [False, True]
