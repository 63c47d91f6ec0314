"""scripts/compare_peers.py: the arithmetic, the page, the weights in everyone's form, and contestants that fail."""

import dataclasses
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

import compare_peers
from peers import port_child
from peers.child import STRIDE, Task, respond, run_program
from peers.contestant import SCRIPTS, Contestant, ContestantError
from peers.machine import describe_cpu
from peers.materials import Weights, get_weights, graph_of, made_up, stretch, write_tfjs
from peers.page import to_markdown
from peers.posecli_child import Posecli
from peers.results import OURS, PORT, TFJS, Deviation, Machine, Outcome, Report, Series, per_second, times_faster
from peers.rounds import Settings, measure
from peers.scenarios import SCENARIOS, Peers, Scenario, lineup
from peers.targets import TARGETS, Target, judge
from posecli.networks.build import build_network
from posecli.networks.spec import ModelSpec
from posecli.weights.checkpoint import load
from posecli.weights.convert import convert
from posecli.weights.store import bundled_path
from posecli.weights.tfjs import read_model
from tfjs_models import build_model

TORCH, ONNX, OPENVINO = OURS[0], OURS[1], OURS[2]
SCENARIO = Scenario("tiny", "A tiny one", "mobilenet-075", 33, (33, 33), ("network", "folder"), (PORT,))
SETTINGS = Settings(rounds=3, folder_rounds=1, photos_per_turn=2, folder_photos=4, seed=0)
TASK = Task(model="", photos="", size=33, threads=1)

# Speaks the protocol as a contestant does: each photo takes no time; what it says of it is `offset`, everywhere.
FAKE = """
import sys, time
import numpy as np
from peers.child import serve
class Fake:
    versions = {"fake": "1"}
    def __init__(self, offset, fails):
        self.offset, self.fails = float(offset), fails
        self.trials = {"network": self.network, "folder": self.folder}
    def network(self, photo):
        print("a peer that talks")
    def folder(self, photo):
        if self.fails == "dies":
            sys.exit("no memory left")
        if self.fails == "raises":
            raise RuntimeError("cannot draw\\nat all")
    def fields(self, photo):
        return [np.full((channels, 3, 3), self.offset, np.float32) for channels in (17, 34, 32, 32)]
serve(lambda task: Fake(*sys.argv[1:]))
"""


def fake(name: str, offset: float = 0.0, fails: str = "never") -> tuple[str, list[str]]:
    return name, [sys.executable, "-c", FAKE, str(offset), fails]


# The port's package by its names, around a network of ours; what it decodes is nothing.
FAKE_PORT = """
import numpy as np
from torch import nn
from posecli.networks.build import build_network
from posecli.networks.spec import ModelSpec
from posenet import utils
MOBILENET_V1_CHECKPOINTS = {75: "mobilenet_v1_075"}
HEADS = ("heatmap", "offset", "displacement_fwd", "displacement_bwd")
class MobileNetV1(nn.Module):
    def __init__(self, model_id, output_stride):
        super().__init__()
        self.ours = [build_network(ModelSpec("mobilenet_v1", model_id / 100), output_stride)]
        convs = {"conv0": nn.ModuleDict({"conv": self.ours[0].stem})}
        for i, block in enumerate(self.ours[0].blocks, 1):
            convs[f"conv{i}"] = nn.ModuleDict({"depthwise": block.depthwise, "pointwise": block.pointwise})
        self.features = nn.ModuleDict(convs)
        for head in HEADS:
            setattr(self, head, self.ours[0].heads[head])
    def forward(self, x):
        heatmaps, *others = self.ours[0](x)
        return heatmaps.sigmoid(), *others
def decode_multiple_poses(heatmaps, *others, output_stride, max_pose_detections, min_pose_score):
    return np.zeros(10), np.zeros((10, 17)), np.zeros((10, 17, 2))
"""
FAKE_PORT_UTILS = """
import numpy as np
def _process_input(image, scale, stride):
    pixels = image[..., ::-1].astype(np.float32) * (2.0 / 255.0) - 1.0
    return pixels.transpose(2, 0, 1)[None], image, np.ones(2)
"""


def series(contestant: str, *ms: float, trial: str = "decode") -> Series:
    return Series(contestant, trial, ms)


def outcome(*measured: Series, key: str = "075-513", left_out: tuple[str, ...] = ()) -> Outcome:
    return Outcome(key, "MobileNet 0.75", "24 photos", measured, (), left_out)


def report(*outcomes: Outcome, left_out: tuple[str, ...] = ()) -> Report:
    machine = Machine("Some CPU", 2, ("avx2",), "Linux x86_64", 0.1, 0.2)
    return Report(machine, (("torch", "2.13.0"),), 2, 3, 1, 0, outcomes, left_out)


def target(**changes: object) -> Target:
    return dataclasses.replace(Target("0.75", "075-513", "decode", (TORCH,), 2.0, PORT), **changes)


def test_a_ratio_is_the_median_of_the_rounds_ratios_not_the_ratio_of_the_medians() -> None:
    ours, theirs = series(TORCH, 10.0, 20.0, 40.0), series(PORT, 30.0, 40.0, 200.0)  # 3, 2, 5; of the medians, 2
    found = times_faster(ours, theirs)
    assert found.median == pytest.approx(3.0)
    assert (found.low, found.high) == pytest.approx((2.2, 4.6))
    assert per_second(ours).median == pytest.approx(50.0)


def test_the_table_has_time_rate_and_ratio_over_each_peer_that_took_part() -> None:
    page = to_markdown(report(outcome(series(TORCH, 20.0, 20.0), series(PORT, 50.0, 70.0), series(TFJS, 200.0, 200.0))))
    assert "| contestant | ms | photos/s | x 2018 port | x TF.js |" in page
    assert f"| {TORCH} | 20.0 | 50.0 | 3.00 (2.60-3.40) | 10.00 (10.00-10.00) |" in page
    assert "| 2018 port | 60.0 | 17.1 |  | 3.43 (2.97-3.89) |" in page
    alone = to_markdown(report(outcome(series(TORCH, 20.0))))
    assert "| contestant | ms | photos/s |\n" in alone


def test_what_is_missing_is_named() -> None:
    page = to_markdown(
        report(outcome(series(TORCH, 20.0), left_out=("posecli x: it is not",)), left_out=("TF.js: no",))
    )
    assert "Left out:\n\n- posecli x: it is not\n" in page
    assert "Not at hand in this run:\n\n- TF.js: no\n" in page


def test_the_page_tells_the_machine_and_the_versions() -> None:
    page = to_markdown(report())
    assert "Some CPU, 2 cores (avx2), Linux x86_64; load average 0.10 before, 0.20 after." in page
    assert "torch 2.13.0." in page
    assert max(map(len, page.splitlines())) <= 120


def test_deviations_are_told_of_everyone_but_the_reference() -> None:
    deviations = (Deviation(TORCH, 0.0, 0.0), Deviation(PORT, 2e-5, 0.0004))
    page = to_markdown(report(dataclasses.replace(outcome(series(TORCH, 20.0)), deviations=deviations)))
    assert "\n\nDeviation: 2018 port 2e-05 of a score, 0.0004 px.\n\n" in page


@pytest.mark.parametrize(
    ("least", "verdict"), [(2.4, "| 2.4x | 2.50x | met |"), (2.6, "| 2.6x | 2.50x | **missed** |")]
)
def test_a_target_is_met_by_the_median_ratio(least: float, verdict: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peers.page.TARGETS", (target(least=least),))
    run = report(outcome(series(TORCH, 20.0), series(PORT, 50.0)))
    assert verdict in to_markdown(run)
    assert judge(target(least=least), run).met == ("met" in verdict)


def test_the_best_of_several_contestants_counts_and_is_named() -> None:
    run = report(outcome(series(TORCH, 20.0), series(OPENVINO, 10.0), series(PORT, 50.0)))
    verdict = judge(target(ours=(TORCH, ONNX, OPENVINO)), run)
    assert (verdict.contestant, verdict.measured and verdict.measured.median) == (OPENVINO, 5.0)


@pytest.mark.parametrize(
    "run",
    [
        report(),
        report(outcome(series(TORCH, 20.0))),
        report(outcome(series(PORT, 20.0))),
        report(outcome(series(TORCH, 1.0, trial="network"), series(PORT, 20.0))),
    ],
    ids=["nothing", "no peer", "not ours", "another trial"],
)
def test_a_target_that_was_not_measured_says_so(run: Report) -> None:
    verdict = judge(target(), run)
    assert verdict.measured is None
    assert not verdict.met
    assert "| not measured |" in to_markdown(run)


def test_frames_a_second_need_no_peer() -> None:
    run = report(outcome(series(OPENVINO, 5.0), key="075-433"))
    verdict = judge(target(scenario="075-433", ours=(OPENVINO,), least=130.0, peer=None), run)
    assert verdict.met
    assert verdict.measured is not None
    assert verdict.measured.median == 200.0


def test_every_target_is_measured_by_a_scenario_with_its_trial_and_its_peer() -> None:
    scenarios = {scenario.key: scenario for scenario in SCENARIOS}
    for each in TARGETS:
        scenario = scenarios[each.scenario]
        assert each.trial in scenario.trials
        assert each.peer is None or each.peer in scenario.peers
        assert set(each.ours) <= set(OURS)


def port_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of ours as the port's network has it: other names, and empty tensors."""
    names = {"stem": "features.conv0.conv"}
    names |= {
        f"blocks.{i}.{kind}": f"features.conv{i + 1}.{kind}" for i in range(13) for kind in ("depthwise", "pointwise")
    }
    names |= {f"heads.{head}": head for head in port_child.HEADS}
    return {
        f"{names[name.rpartition('.')[0]]}.{name.rpartition('.')[2]}": torch.empty_like(tensor)
        for name, tensor in state.items()
    }


def test_the_port_gets_the_same_weights_under_its_own_names() -> None:
    ours = dict(load(bundled_path()).state_dict)
    state = port_child.port_state(ours, port_names(ours))
    assert list(state) == list(port_names(ours))
    assert torch.equal(state["features.conv0.conv.weight"], ours["stem.weight"])
    assert torch.equal(state["features.conv13.pointwise.bias"], ours["blocks.12.pointwise.bias"])
    assert torch.equal(state["displacement_bwd.weight"], ours["heads.displacement_bwd.weight"])


def test_weights_that_do_not_fit_the_port_are_refused() -> None:
    ours = dict(load(bundled_path()).state_dict)
    port = port_names(ours)
    with pytest.raises(
        ValueError, match=r"features.conv0.conv.weight: the port has \(24, 3, 5, 5\), ours \(24, 3, 3, 3\)"
    ):
        port_child.port_state(ours, port | {"features.conv0.conv.weight": torch.empty(24, 3, 5, 5)})
    del port["features.conv13.pointwise.bias"]
    with pytest.raises(ValueError, match="the port has 61 tensors, 53 before the heads; ours 62"):
        port_child.port_state(ours, port)


def test_the_ports_script_runs_where_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (Tensor, nn.Module):
        monkeypatch.setattr(kind, "cuda", kind.cuda)  # to be put back
    script = "import pathlib, sys, torch\ntorch.nn.Linear(1, 1).cuda()(torch.ones(1).cuda())\n"
    (tmp_path / "image_demo.py").write_text(f"{script}pathlib.Path(sys.argv[2]).write_text(__name__)\n")
    path, argv = list(sys.path), list(sys.argv)
    port_child.without_cuda()
    port_child.demo(str(tmp_path), ["--output", str(tmp_path / "done")])
    assert (tmp_path / "done").read_text() == "__main__"
    assert (sys.path, sys.argv) == (path, argv)


def test_the_port_runs_every_trial_and_its_network_says_what_ours_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (Tensor, nn.Module):
        monkeypatch.setattr(kind, "cuda", kind.cuda)  # to be put back
    checkout, work = tmp_path / "checkout", tmp_path / "work"
    (checkout / "posenet").mkdir(parents=True)
    work.mkdir()
    (checkout / "posenet/__init__.py").write_text(FAKE_PORT)
    (checkout / "posenet/utils.py").write_text(FAKE_PORT_UTILS)
    demo = "import os, sys, pathlib\nassert os.path.exists('_models/mobilenet_v1_075.pth')\n"
    (checkout / "image_demo.py").write_text(f"{demo}pathlib.Path('argv').write_text(' '.join(sys.argv[1:]))\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("posenet", "posenet.utils"):
        monkeypatch.setitem(sys.modules, name, None)  # to be taken out again
        del sys.modules[name]
    monkeypatch.chdir(work)
    monkeypatch.setenv("PYTHONPATH", str(SCRIPTS))
    photos = sorted(photos_of(tmp_path / "photos", count=1).iterdir())
    task = Task(str(bundled_path()), stretch(photos, (33, 49), tmp_path / "inputs", 1, ".png"), 49, 1, folder="photos")
    port = port_child.Port(task, str(checkout))
    for theirs, ours in zip(port.fields(0), Posecli(task, "torch", "float32").fields(0), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-3)
    for trial in port.trials:
        respond(port, {"do": "run", "trial": trial, "photos": [0], "warm": False})
        if trial in ("folder", "command"):
            assert (work / "argv").read_text().startswith("--notxt --model 75 --scale_factor 1.0 --image_dir photos ")
            (work / "argv").unlink()


def test_made_up_weights_hold_the_known_ones_in_their_corner() -> None:
    known = dict(load(bundled_path()).state_dict)
    wide, narrow = (made_up(ModelSpec("mobilenet_v1", multiplier), known) for multiplier in (1.0, 0.5))
    assert torch.equal(wide["stem.weight"][:24], known["stem.weight"])
    assert 0 < wide["stem.weight"][24:].abs().max() < 0.01
    assert torch.equal(narrow["stem.weight"], known["stem.weight"][:16])
    for spec, state in ((1.0, wide), (0.5, narrow)):
        build_network(ModelSpec("mobilenet_v1", spec)).load_state_dict(state)


def test_tfjs_gets_the_same_weights_in_googles_own_graph(tmp_path: Path) -> None:
    spec = ModelSpec("mobilenet_v1", 0.75)
    graph = build_model(dict(build_network(spec).state_dict())).write(tmp_path / "graph")
    official = graph_of(spec, tmp_path)
    official.parent.mkdir(parents=True)
    shutil.copyfile(graph, official)  # without its shards
    written = write_tfjs(Weights(bundled_path(), spec, ""), tmp_path, tmp_path)
    ours = load(bundled_path()).state_dict
    found = convert(read_model(Path(written))).state_dict
    assert all(torch.equal(found[name], ours[name]) for name in ours)
    assert write_tfjs(Weights(bundled_path(), spec, ""), tmp_path / "nowhere", tmp_path) == ""


def test_weights_come_from_what_is_at_hand(tmp_path: Path) -> None:
    assert get_weights("mobilenet-075", tmp_path, tmp_path).path == bundled_path()
    found = get_weights("mobilenet-050", tmp_path, tmp_path)
    assert "made up" in found.account
    assert load(found.path).spec == ModelSpec("mobilenet_v1", 0.5)


@pytest.mark.shared
def test_weights_are_converted_from_the_mirror(shared: Path, tmp_path: Path) -> None:
    found = get_weights("mobilenet-050", tmp_path, shared / "tfjs-mirror/savedmodel/posenet/mobilenet")
    assert (found.account, load(found.path).spec.multiplier) == ("the official weights", 0.5)


def photos_of(folder: Path, count: int = 3, side: int = 33) -> Path:
    folder.mkdir()
    for index in range(count):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((side, side + 7, 3), 40 * index, np.uint8))
    return folder


def test_photos_are_stretched_to_the_networks_size_and_go_round(tmp_path: Path) -> None:
    photos = sorted(photos_of(tmp_path / "photos").iterdir())
    folder = Path(stretch(photos, (49, 65), tmp_path / "out", 5, ".png"))
    images = [cv2.imread(str(path)) for path in sorted(folder.iterdir())]
    assert {image.shape for image in images} == {(49, 65, 3)}
    assert [int(image.max()) for image in images] == [0, 40, 80, 0, 40]


def test_posecli_runs_every_trial(tmp_path: Path) -> None:
    photos = str(photos_of(tmp_path / "photos", count=1))
    inputs = stretch(sorted(Path(photos).iterdir()), (33, 49), tmp_path / "inputs", 1, ".png")
    runner = Posecli(Task(str(bundled_path()), inputs, 49, 1, folder=photos), "torch", "float32")
    assert [field.shape for field in runner.fields(0)] == [(channels, 3, 4) for channels in (17, 34, 32, 32)]
    for trial in ("network", "decode", "image", "folder"):
        (ms,) = respond(runner, {"do": "run", "trial": trial, "photos": [0], "warm": False})["ms"]
        assert ms > 0
    assert set(runner.trials) == {"network", "decode", "image", "folder", "command"}
    assert runner.versions["torch"] == torch.__version__


def test_a_run_gives_a_figure_per_round_and_contestant() -> None:
    said: list[str] = []
    found, versions = measure(SCENARIO, "work", [fake(TORCH), fake(PORT, 0.001)], TASK, 3, SETTINGS, said.append)
    shapes = {(each.contestant, each.trial): len(each.ms) for each in found.series}
    assert shapes == {(TORCH, "network"): 3, (PORT, "network"): 3, (TORCH, "folder"): 1, (PORT, "folder"): 1}
    assert [each.offset_px for each in found.deviations] == [0.0, pytest.approx(0.001)]
    assert (found.left_out, dict(versions)) == ((), {"fake": "1"})
    assert said[-1] == "tiny: round 3, network"


@pytest.mark.parametrize(
    ("entry", "line", "survives"),
    [
        (fake(PORT, fails="dies"), "2018 port: ended with exit code 1 (no memory left) (folder)", False),
        (fake(PORT, fails="raises"), "2018 port: cannot draw (folder)", True),
        (fake(PORT, offset=0.1), "2018 port: its offsets are 0.1 px off", False),
        ((PORT, [sys.executable, "-c", "raise SystemExit(3)"]), "2018 port: ended with exit code 3", False),
        ((PORT, ["no such program"]), "2018 port: no such program does not start (No such file or directory)", False),
    ],
    ids=["dies", "raises", "computes something else", "ends at once", "does not start"],
)
def test_a_contestant_that_fails_becomes_a_line(entry: tuple[str, list[str]], line: str, survives: bool) -> None:
    found, _ = measure(SCENARIO, "work", [fake(TORCH), entry], TASK, 3, SETTINGS, lambda _: None)
    assert found.left_out == (line,)
    assert len([each for each in found.series if each.contestant == TORCH]) == 2
    assert (found.find(PORT, "network") is not None) == survives
    assert found.find(PORT, "folder") is None


def test_a_lower_precision_may_deviate() -> None:
    found, _ = measure(SCENARIO, "work", [fake(TORCH), fake(OURS[-1], 2.0)], TASK, 3, SETTINGS, lambda _: None)
    assert found.left_out == ()
    assert found.deviations[1].offset_px == 2.0


def test_a_contestant_without_a_request_it_knows_gives_an_error() -> None:
    name, command = fake(TORCH)
    with Contestant(name, command, 1) as contestant:
        contestant.load(TASK)
        with pytest.raises(ContestantError, match=f"{TORCH}: 'decode'"):
            contestant.turn("decode", [0])
        assert contestant.alive
    assert not contestant.alive


def test_a_program_that_fails_is_quoted() -> None:
    run_program([sys.executable, "-c", "print('well')"])
    with pytest.raises(RuntimeError, match=r"ends with exit code 3 \(no luck\)"):
        run_program([sys.executable, "-c", "import sys; print('one\\nno luck', file=sys.stderr); sys.exit(3)"])


def test_peers_that_are_not_at_hand_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compare_peers.find_peers(None, None)[1] == (
        "2018 port: no checkout was given (--port)",
        "TF.js: no folder with its node_modules was given (--tfjs)",
    )
    _, missing = compare_peers.find_peers(tmp_path, tmp_path)
    assert "no image_demo.py" in missing[0]
    assert "npm install" in missing[1]
    (tmp_path / "image_demo.py").touch()
    (tmp_path / "node_modules/@tensorflow-models/posenet").mkdir(parents=True)
    monkeypatch.setenv("PATH", "")
    peers, missing = compare_peers.find_peers(tmp_path, tmp_path)
    assert (peers.port, missing) == (tmp_path, ("TF.js: node is not on the PATH",))


@pytest.mark.parametrize(
    ("peers", "expected"),
    [
        (Peers(None, None, None), OURS),
        (Peers(Path("port"), None, Path("tfjs")), (*OURS, PORT)),
        (Peers(Path("port"), "node", Path("tfjs")), (*OURS, PORT, TFJS)),
    ],
)
def test_who_takes_part(peers: Peers, expected: tuple[str, ...]) -> None:
    assert tuple(name for name, _ in lineup(SCENARIOS[0], peers)) == expected
    assert tuple(name for name, _ in lineup(SCENARIOS[-1], peers)) == OURS


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replaces the contestants of every scenario."""

    def replace(*names: str) -> None:
        monkeypatch.setattr(compare_peers, "lineup", lambda *_: [fake(name) for name in names])
        monkeypatch.setattr(compare_peers, "SCENARIOS", (SCENARIO,))

    return replace


def test_the_script_writes_page_and_figures(
    fakes: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fakes(TORCH, TFJS)
    monkeypatch.setattr(compare_peers, "TARGETS", ())
    photos, page, figures = photos_of(tmp_path / "photos"), tmp_path / "page.md", tmp_path / "figures.json"
    options = ["--images", str(photos), "--rounds", "2", "--folder-rounds", "1", "--folder-photos", "2"]
    assert compare_peers.main([*options, "--tfjs-models", str(tmp_path), "-o", str(page), "--json", str(figures)]) == 0
    assert "3 photos, 3 of them in each turn; the official weights." in page.read_text()
    assert "TF.js: no checkout" not in page.read_text()
    written = json.loads(figures.read_text())
    assert [len(each["ms"]) for each in written["outcomes"][0]["series"]] == [2, 1]
    assert str(tmp_path) not in page.read_text() + figures.read_text()


def test_without_options_the_page_is_printed_and_a_missed_target_shows_in_the_exit_code(
    fakes: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fakes(TORCH)
    unreachable = target(scenario="tiny", trial="network", least=1e9, peer=None)
    monkeypatch.setattr(compare_peers, "TARGETS", (unreachable,))
    assert compare_peers.main(["--images", str(photos_of(tmp_path / "photos")), "--rounds", "1"]) == 1
    assert "### A tiny one" in capsys.readouterr().out


def test_photos_as_they_are_and_a_model_without_a_graph_for_tfjs(
    fakes: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fakes(TORCH, TFJS)
    scenario = dataclasses.replace(SCENARIO, input_hw=None, trials=("network",), peers=(TFJS,), quality="fast")
    monkeypatch.setattr(compare_peers, "SCENARIOS", (scenario,))
    monkeypatch.setattr(compare_peers, "TARGETS", ())
    photos = photos_of(tmp_path / "photos")
    options = ["--quality-images", str(photos), "--tfjs-models", str(tmp_path), "--rounds", "1"]
    assert compare_peers.main(options) == 0
    page = capsys.readouterr().out
    assert "- TF.js: no float/075/model-stride16.json in the folder of --tfjs-models\n" in page
    assert f"| {TORCH} |" in page
    assert "Deviation:" not in page


def test_a_folder_without_photos_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no photos there"):
        compare_peers.main(["--images", str(tmp_path), "--only", "075-433"])


def test_the_cpu_is_known_by_what_matters_here() -> None:
    text = "processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu sse avx avx2 amx_int8\n\nmodel name\t: Other\n"
    assert describe_cpu(text) == ("Some CPU", ("avx", "avx2", "amx_int8"))
    assert describe_cpu("Features\t: fp asimd i8mm\n") == ("", ("asimd", "i8mm"))
    assert describe_cpu("") == ("", ())
    assert STRIDE == 16
