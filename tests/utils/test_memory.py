import pytest
import torch

from vital.errors import ModelError, OutOfMemoryError
from vital.utils.memory import short_of_memory


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:98] DefaultCPUAllocator: not enough memory: you tried"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
        OutOfMemoryError("net cannot run on an image: cpu has too little memory"),
    ],
)
def test_what_says_that_memory_does_not_suffice(error: Exception) -> None:
    assert short_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("a shape"), ValueError("out of memory"), ModelError("x")])
def test_other_errors_do_not(error: Exception) -> None:
    assert not short_of_memory(error)


def test_what_torch_says_of_too_large_a_tensor_is_understood() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**58, dtype=torch.float64)
    assert short_of_memory(caught.value) or "Storage size calculation overflowed" in str(caught.value)
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**45, dtype=torch.float64)
    assert short_of_memory(caught.value)
