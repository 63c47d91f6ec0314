import numpy as np
import pytest

from posecli.export_model.views import batches


@pytest.mark.parametrize("stride", [8, 16, 32])
def test_shapes_differ_and_one_batch_has_two(stride: int) -> None:
    inputs = [batch.inputs for batch in batches(stride)]
    assert len({each.shape[1:3] for each in inputs}) == len(inputs)
    assert max(len(each) for each in inputs) == 2
    assert all((side - 1) % stride == 0 for each in inputs for side in each.shape[1:3])
    assert any(each.shape[1] > each.shape[2] for each in inputs)
    assert any(each.shape[1] < each.shape[2] for each in inputs)
    assert all(each.dtype == np.uint8 for each in inputs)
