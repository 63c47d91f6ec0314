"""int8: what the package has, and what NNCF makes of photos."""

import json
import logging
import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from posecli.backends import quantise
from posecli.backends.openvino import Ir, OpenVinoBackend
from posecli.backends.quantise import (
    View,
    bundled_int8_path,
    bundled_ir,
    int8_ir,
    list_photos,
    load_nncf,
    pack_bundled,
    see,
)
from posecli.backends.torch import TorchBackend
from posecli.errors import InputError, MissingDependencyError, UsageError
from posecli.estimate import Estimator
from posecli.networks.spec import ModelSpec
from posecli.options import EstimatorOptions
from posecli.weights.checkpoint import Checkpoint, load
from posecli.weights.store import bundled_path

pytest.importorskip("openvino")


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return load(bundled_path())


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder with two small photos, a text and a folder in it."""
    folder = tmp_path / "photos"
    (folder / "more.jpg").mkdir(parents=True)
    (folder / "notes.txt").write_text("no photo")
    for name, colour in (("b.png", (0, 0, 255)), ("a.jpg", (255, 0, 0))):  # BGR: red, blue
        image = np.zeros((40, 60, 3), np.uint8)
        image[:, :20] = colour
        cv2.imwrite(str(folder / name), image)
    return folder


def photo_of(examples: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(examples / "two-pioneers.jpg"))[:, :, ::-1])


def test_the_network_of_the_package_runs_and_is_near(checkpoint: Checkpoint, examples: Path, home: Path) -> None:
    backend = OpenVinoBackend(checkpoint, precision="int8")
    assert backend.precision == "int8"
    options = EstimatorOptions(size=513)
    image = photo_of(examples)
    found, expected = (Estimator(each, checkpoint.spec, options)(image) for each in (backend, TorchBackend(checkpoint)))
    assert len(found) == len(expected) == 2
    sure = expected.part_scores > 0.5
    distances = np.linalg.norm(found.xy - expected.xy, axis=-1)[sure]  # source px, in a photo of 760 x 512
    assert 0.01 < np.median(distances) < 4
    assert np.abs(found.part_scores - expected.part_scores)[sure].mean() < 0.1


def test_the_network_of_the_package_takes_float_images_and_batches(checkpoint: Checkpoint, home: Path) -> None:
    backend = OpenVinoBackend(checkpoint, precision="int8")
    images = np.random.default_rng(0).integers(0, 256, (2, 65, 97, 3), dtype=np.uint8)
    together, alone = backend(images.astype(np.float32)), backend(images[1:])
    assert float((together.offsets[1:] - alone.offsets).abs().max()) < 1e-2


def test_it_is_for_stride_16_in_either_dilation(checkpoint: Checkpoint) -> None:
    both = bundled_ir(checkpoint, 16, "both")
    assert both is not None
    assert bundled_ir(checkpoint, 16, "height") == both
    assert bundled_ir(checkpoint, 8, "both") is None


def test_it_belongs_to_the_weights_of_the_package_alone(checkpoint: Checkpoint) -> None:
    tensors = {**checkpoint.state_dict, "stem.bias": checkpoint.state_dict["stem.bias"] + 1e-3}
    assert bundled_ir(replace(checkpoint, state_dict=tensors), 16, "both") is None
    assert bundled_ir(replace(checkpoint, spec=ModelSpec("mobilenet_v1", 0.5)), 16, "both") is None


def test_the_file_in_the_package_is_small_and_says_what_it_is(checkpoint: Checkpoint) -> None:
    path = bundled_int8_path(checkpoint.spec)
    assert path.stat().st_size < 3_000_000
    with zipfile.ZipFile(path) as archive:
        about = json.loads(archive.read("about.json"))
    assert {"weights", "stride", "dilations", "photos", "openvino", "nncf"} == about.keys()


def test_packing_gives_the_same_bytes_again_and_what_was_packed(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ir = Ir(b"<net/>", b"weights")
    about = {"weights": quantise.tensors_digest(checkpoint.state_dict), "stride": 8, "dilations": ["both"]}
    data = pack_bundled(ir, about)
    assert pack_bundled(ir, about) == data
    file = tmp_path / "int8.zip"
    file.write_bytes(data)
    monkeypatch.setattr(quantise, "bundled_int8_path", lambda spec: file)
    assert bundled_ir(checkpoint, 8, "both") == ir
    assert bundled_ir(checkpoint, 8, "height") is None


def test_without_photos_what_is_not_in_the_package_is_refused(checkpoint: Checkpoint) -> None:
    message = "mobilenet-075 at stride 8 is not calibrated; give a folder with some photos of people: --calibrate DIR"
    with pytest.raises(UsageError, match=message):
        OpenVinoBackend(checkpoint, 8, precision="int8")


@pytest.mark.slow
def test_photos_calibrate_any_stride_once(
    checkpoint: Checkpoint, examples: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("nncf")
    folder = tmp_path / "photos"
    folder.mkdir()
    cv2.imwrite(str(folder / "two.jpg"), photo_of(examples)[:, :, ::-1])
    monkeypatch.setattr(quantise, "SIZES", (129, 257))
    calibrated = []
    calibrate = quantise.quantise

    def calibrate_once(*given):  # the second time, to be quick, it is the same network again
        calibrated.append(calibrated[0] if calibrated else calibrate(*given))
        return calibrated[-1]

    monkeypatch.setattr(quantise, "quantise", calibrate_once)
    image = photo_of(examples)
    for _ in range(2):
        backend = OpenVinoBackend(checkpoint, 8, precision="int8", calibrate=str(folder))
    assert len(calibrated) == 1
    options = EstimatorOptions(size=257, stride=8)
    found = Estimator(backend, checkpoint.spec, options)(image)
    expected = Estimator(TorchBackend(checkpoint, 8), checkpoint.spec, options)(image)
    assert len(found) == len(expected) > 0
    distances = np.linalg.norm(found.xy - expected.xy, axis=-1)[expected.part_scores > 0.5]
    assert 0.01 < np.median(distances) < 8
    cv2.imwrite(str(folder / "two.jpg"), image)  # another photo under the same name
    int8_ir(checkpoint, 8, "both", str(folder))
    assert len(calibrated) == 2


def test_the_photos_of_a_folder_are_listed(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert [path.name for path in list_photos(photos)] == ["a.jpg", "b.png"]
    (photos / "a.jpg").write_bytes((photos / "a.jpg").read_bytes()[:30])
    assert [path.name for path in list_photos(photos)] == ["b.png"]


def test_of_many_photos_some_are_taken_all_over_the_folder(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(9):
        cv2.imwrite(str(photos / f"c{index}.png"), np.zeros((4, 4, 3), np.uint8))
    monkeypatch.setattr(quantise, "MAX_PHOTOS", 3)
    assert [path.name for path in list_photos(photos)] == ["a.jpg", "c3.png", "c8.png"]


def test_a_folder_without_photos_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no photo")
    with pytest.raises(UsageError, match="no photo in it can be read; give a folder"):
        list_photos(tmp_path)
    with pytest.raises(UsageError, match="not a folder"):
        list_photos(tmp_path / "absent")


def test_a_view_is_sized_mirrored_and_red_green_blue(photos: Path) -> None:
    view = View(photos / "b.png", 97, mirrored=False)  # 60 x 40 px, red on the left
    seen, mirrored = see(view, 16)[0], see(view._replace(mirrored=True), 16)[0]
    assert seen.shape == mirrored.shape == (65, 97, 3)
    assert seen.dtype == np.uint8
    assert seen[5, 5].tolist() == mirrored[5, -5].tolist() == [255, 0, 0]
    assert seen[5, -5].tolist() == mirrored[5, 5].tolist() == [0, 0, 0]


def test_a_photo_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.jpg: cannot be read any more"):
        see(View(tmp_path / "gone.jpg", 97, mirrored=False), 16)


def test_without_nncf_it_says_what_to_install(
    checkpoint: Checkpoint, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "posecli\[int8\]"'):
        int8_ir(checkpoint, 16, "both", str(photos))


def test_nncf_reports_to_nobody_and_stays_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stand-in shows what NNCF sees as it is imported: under pytest the real one reports nothing anyway."""
    (tmp_path / "nncf.py").write_text(
        "import os\nCI = os.environ.get('NNCF_CI')\nprint('talk')\ndef set_log_level(level): print('level', level)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for before in ("of the user", None):
        monkeypatch.setitem(sys.modules, "nncf", None)  # whatever is there comes back after the test
        del sys.modules["nncf"]
        if before is None:
            monkeypatch.delenv("NNCF_CI")
        else:
            monkeypatch.setenv("NNCF_CI", before)
        assert load_nncf().CI == "1"
        assert os.environ.get("NNCF_CI") == before
        assert capsys.readouterr() == (f"level {logging.ERROR}\n", "talk\n")
