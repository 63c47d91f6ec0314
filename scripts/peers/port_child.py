"""The 2018 port as a contestant: python -m peers.port_child CHECKOUT, in a folder of its own, which gets its weights.

`python -m peers.port_child CHECKOUT demo ARGUMENTS` is its image_demo.py, run on the CPU. Nothing in the checkout
changes: its calls of `.cuda()`, which fail where there is no GPU, do nothing in these processes.
"""

from __future__ import annotations

import runpy
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from peers.child import Task

HEADS = ("heatmap", "offset", "displacement_fwd", "displacement_bwd")  # the same names in both, in the port's order
MODEL_IDS = {0.5: 50, 0.75: 75, 1.0: 100}  # multiplier -> what the port's --model takes
MAX_POSES, MIN_POSE_SCORE = 10, 0.25  # as its benchmark.py and image_demo.py have them


def without_cuda() -> None:
    """Make every `.cuda()` give back what it is called on."""
    for kind in (Tensor, nn.Module):
        kind.cuda = lambda self, *_args, **_options: self


def port_state(ours: Mapping[str, Tensor], port: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our MobileNet's tensors under the port's names: the trunk layer by layer in order, the heads by name.

    Raises ValueError where the two do not match, tensor by tensor, in number or shape.
    """
    trunk = [name for name in ours if not name.startswith("heads.")]
    names = [name for name in port if name.partition(".")[0] not in HEADS]
    if len(trunk) != len(names) or len(ours) != len(port):
        raise ValueError(f"the port has {len(port)} tensors, {len(names)} before the heads; ours {len(ours)}")
    state = {name: ours[own] for name, own in zip(names, trunk, strict=True)}
    state |= {f"{head}.{kind}": ours[f"heads.{head}.{kind}"] for head in HEADS for kind in ("weight", "bias")}
    for name, tensor in port.items():
        if state[name].shape != tensor.shape:
            raise ValueError(f"{name}: the port has {tuple(tensor.shape)}, ours {tuple(state[name].shape)}")
    return state


class Port:
    """The checkout's own network, decoder and image_demo.py, with our weights."""

    def __init__(self, task: Task, checkout: str) -> None:
        from peers.child import STRIDE, photos_of
        from posecli.opencv import cv2
        from posecli.weights.checkpoint import load

        sys.path.insert(0, checkout)
        import posenet

        without_cuda()
        self.task, self.checkout, self.posenet, self.stride = task, checkout, posenet, STRIDE
        checkpoint = load(Path(task.model))
        assert checkpoint.spec.multiplier is not None
        self.model_id = MODEL_IDS[checkpoint.spec.multiplier]
        self.model = posenet.MobileNetV1(self.model_id, output_stride=STRIDE)
        self.model.load_state_dict(port_state(checkpoint.state_dict, self.model.state_dict()))
        weights = Path("_models", f"{posenet.MOBILENET_V1_CHECKPOINTS[self.model_id]}.pth")  # where its scripts look
        weights.parent.mkdir(exist_ok=True)
        torch.save(self.model.state_dict(), weights)
        self.images = [cv2.imread(str(path)) for path in photos_of(task.photos)]  # (H, W, 3) BGR
        self.inputs = [posenet.utils._process_input(image, 1.0, STRIDE)[0] for image in self.images]
        self.versions = {"torch": str(torch.__version__)}
        self.trials: Mapping[str, Callable[[int], object]] = {
            "network": self.run_network,
            "decode": lambda photo: self.poses(self.inputs[photo]),
            "image": self.run_image,
            "folder": self.run_folder,
            "command": self.run_command,
        }

    def run_network(self, photo: int) -> Sequence[Tensor]:
        """The network alone, on pixels that are normalised already."""
        with torch.no_grad():
            found: Sequence[Tensor] = self.model(torch.Tensor(self.inputs[photo]).cuda())
            return found

    def fields(self, photo: int) -> Sequence[NDArray[np.float32]]:
        """What the network says about a photo that is its input already."""
        return [field.squeeze(0).numpy() for field in self.run_network(photo)]

    def poses(self, pixels: NDArray[np.float32]) -> Any:
        """The loop of its benchmark.py."""
        with torch.no_grad():
            fields = self.model(torch.Tensor(pixels).cuda())
            return self.posenet.decode_multiple_poses(
                *(field.squeeze(0) for field in fields),
                output_stride=self.stride,
                max_pose_detections=MAX_POSES,
                min_pose_score=MIN_POSE_SCORE,
            )

    def run_image(self, photo: int) -> Any:
        """The loop of its image_demo.py behind cv2.imread, at its default scale."""
        pixels, _, scale = self.posenet.utils._process_input(self.images[photo], 1.0, self.stride)
        return self.poses(pixels)[2] * scale

    def run_folder(self, _: int) -> None:
        """image_demo.py on the folder, in this process."""
        with tempfile.TemporaryDirectory() as output:
            demo(self.checkout, self.arguments(output))

    def run_command(self, _: int) -> None:
        """image_demo.py on the folder, as a command of its own."""
        from peers.child import run_program

        with tempfile.TemporaryDirectory() as output:
            run_program([sys.executable, "-m", "peers.port_child", self.checkout, "demo", *self.arguments(output)])

    def arguments(self, output: str) -> list[str]:
        """Of image_demo.py, for the task's folder."""
        folders = ["--image_dir", self.task.folder, "--output_dir", output]
        return ["--notxt", "--model", str(self.model_id), "--scale_factor", "1.0", *folders]


def demo(checkout: str, arguments: Sequence[str]) -> None:
    """Run the checkout's image_demo.py as a script, here."""
    script = str(Path(checkout, "image_demo.py"))
    with patch.object(sys, "argv", [script, *arguments]), patch.object(sys, "path", [checkout, *sys.path]):
        runpy.run_path(script, run_name="__main__")


if __name__ == "__main__":
    if sys.argv[2:3] == ["demo"]:
        without_cuda()
        demo(sys.argv[1], sys.argv[3:])
    else:
        from peers.child import serve

        serve(lambda task: Port(task, sys.argv[1]))
