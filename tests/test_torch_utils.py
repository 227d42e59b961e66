import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from sklearn_claster._utils.torch import (
    as_host_array,
    device_or_fallback,
    resolve_device,
    seeded_generator,
    shuffled_batches,
    to_numpy,
    to_tensor,
)

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    """Pretend to be a machine with so many CUDA devices, with MPS or without."""

    def pretend(n_cuda=0, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n_cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n_cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return pretend


# devices


@pytest.mark.parametrize(
    ("n_cuda", "mps", "best"),
    [(0, False, "cpu"), (0, True, "mps"), (1, False, "cuda"), (2, True, "cuda")],
)
def test_auto_picks_cuda_then_mps_then_cpu(machine, n_cuda, mps, best):
    machine(n_cuda, mps)
    assert resolve_device("auto") == torch.device(best)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_the_cpu_is_taken_even_beside_a_gpu(machine, device):
    machine(n_cuda=2, mps=True)
    assert resolve_device(device) == CPU


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:1", torch.device("cuda", 1)])
def test_cuda_devices_that_exist_are_taken(machine, device):
    machine(n_cuda=2)
    assert resolve_device(device) == torch.device(device)


@pytest.mark.parametrize(
    ("device", "n_cuda"),
    [("cuda", 0), ("cuda:0", 0), ("cuda:1", 1), ("cuda:2", 2), ("mps", 2), ("meta", 2), ("xpu", 2)],
)
def test_devices_that_do_not_exist_are_refused(machine, device, n_cuda):
    machine(n_cuda)
    for name in (device, torch.device(device)):
        with pytest.raises(ValueError, match=r"device=.* is not available here. Use device='auto'"):
            resolve_device(name)


def test_mps_is_taken_where_it_is(machine):
    machine(mps=True)
    assert resolve_device("mps") == torch.device("mps")


@pytest.mark.parametrize(
    "device", ["gpu", "", "CUDA", "cuda:-1", "cuda:x", None, 1.5, True, 0, ["cpu"]]
)
def test_what_names_no_device_is_refused(machine, device):
    machine()
    with pytest.raises(ValueError, match=r"names no device; expected 'auto', 'cpu'"):
        resolve_device(device)


@pytest.mark.parametrize(
    ("n_cuda", "mps", "best"), [(0, False, "cpu"), (0, True, "mps"), (1, False, "cuda")]
)
def test_a_loaded_model_falls_back_to_the_best_there_is(machine, n_cuda, mps, best):
    machine(n_cuda, mps)
    with pytest.warns(UserWarning, match=f"made with device='cuda:7'.*it runs on {best}"):
        assert device_or_fallback("cuda:7") == torch.device(best)


def test_a_loaded_model_stays_where_it_was_made(machine):
    machine(n_cuda=1)
    assert device_or_fallback("cpu") == CPU  # no warning: they are errors here
    assert device_or_fallback("cuda:0") == torch.device("cuda:0")


# arrays and tensors


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (torch.bfloat16, np.float32),
        (torch.float8_e4m3fn, np.float32),
        (torch.float16, np.float16),
        (torch.float32, np.float32),
        (torch.float64, np.float64),
        (torch.int64, np.int64),
        (torch.uint8, np.uint8),
        (torch.bool, np.bool_),
    ],
)
def test_a_tensor_becomes_the_array_of_its_numbers(dtype, expected):
    tensor = torch.tensor([[0.0, 1.0], [1.0, 1.0]]).to(dtype)
    array = as_host_array(tensor)
    assert type(array) is np.ndarray
    assert array.dtype == expected
    assert_array_equal(array, [[0, 1], [1, 1]])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_tensor_may_belong_to_a_graph(dtype):
    tensor = torch.ones(2, dtype=dtype, requires_grad=True) * 2.0
    assert_array_equal(as_host_array(tensor), [2.0, 2.0])
    assert_array_equal(as_host_array(torch.nn.Parameter(tensor)), [2.0, 2.0])
    assert tensor.requires_grad


def test_a_tensor_may_be_a_view_that_negates_or_conjugates():
    numbers = torch.tensor([1.0 + 2.0j, 3.0 - 4.0j])
    assert numbers.conj().imag.is_neg() and numbers.conj().is_conj()
    assert_array_equal(as_host_array(numbers.conj().imag), [-2.0, 4.0])
    assert_array_equal(as_host_array(numbers.conj()), [1.0 - 2.0j, 3.0 + 4.0j])


@pytest.mark.parametrize("other", [[[1.0]], np.eye(2), None, "text"])
def test_all_else_passes_unchanged(other):
    assert as_host_array(other) is other


@pytest.mark.cuda
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_tensor_comes_from_the_gpu(dtype):
    assert_array_equal(as_host_array(torch.ones(2, dtype=dtype, device="cuda")), [1.0, 1.0])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_a_tensor_is_a_single_precision_copy(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    tensor = to_tensor(array, CPU)
    assert tensor.dtype == torch.float32
    tensor += 1
    assert_array_equal(array, np.arange(6).reshape(2, 3))


def test_read_only_arrays_and_views_become_tensors():
    array = np.arange(12.0).reshape(3, 4)[::2, ::2].T
    array.setflags(write=False)
    assert_array_equal(to_tensor(array, CPU).numpy(), array)  # no warning of a read-only array


def test_to_numpy_detaches():
    tensor = torch.ones(2, requires_grad=True)
    assert_array_equal(to_numpy(tensor * 2.0), [2.0, 2.0])
    assert to_numpy(tensor).dtype == np.float32


# generators and batches


def test_a_generator_is_set_by_its_seed_alone():
    draws = [torch.rand(5, generator=seeded_generator(seed)) for seed in (3, 3, 4)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert seeded_generator(0).device == CPU


def test_torchs_global_generator_never_moves():
    before = torch.get_rng_state()
    generator = seeded_generator(0)
    list(shuffled_batches(10, 3, generator, CPU))
    assert torch.equal(torch.get_rng_state(), before)
    assert generator.initial_seed() == 0


@pytest.mark.parametrize("n_samples", [1, 2, 9, 10, 11, 100])
@pytest.mark.parametrize("batch_size", [1, 3, 10, 99, 1000])
def test_batches_cover_every_row_once_and_are_of_equal_size(n_samples, batch_size):
    batches = list(shuffled_batches(n_samples, batch_size, seeded_generator(0), CPU))
    assert sorted(torch.cat(batches).tolist()) == list(range(n_samples))
    assert len(batches) == -(-n_samples // batch_size)
    sizes = [len(batch) for batch in batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= 1


def test_every_epoch_has_an_order_of_its_own_and_the_seed_repeats_all():
    def epochs(seed):
        generator = seeded_generator(seed)
        return [torch.cat(list(shuffled_batches(20, 6, generator, CPU))).tolist() for _ in range(3)]

    first, second, third = epochs(0)
    assert first != second != third != first
    assert first != list(range(20))
    assert epochs(0) == [first, second, third]
    assert epochs(1)[0] != first


def test_orders_are_fair():
    generator = seeded_generator(0)
    firsts = [next(shuffled_batches(4, 1, generator, CPU)).item() for _ in range(2000)]
    assert np.bincount(firsts, minlength=4) == pytest.approx(500, abs=100)


@pytest.mark.cuda
def test_the_order_is_the_same_on_every_device():
    orders = [
        torch.cat(list(shuffled_batches(50, 7, seeded_generator(0), device))).cpu()
        for device in (CPU, torch.device("cuda"))
    ]
    assert torch.equal(*orders)
