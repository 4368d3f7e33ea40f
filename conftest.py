"""What every test and every docstring example runs under."""

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)  # the tests run side by side, and small networks gain nothing from threads

settings.register_profile("steady", derandomize=True, deadline=None, max_examples=40)
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def _same_numbers_each_time() -> None:
    torch.manual_seed(0)
