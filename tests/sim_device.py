"""The device "sim": an accelerator for tests on machines that have none.

Its numbers lie in the host's memory and its operations are the CPU's, but torch takes its tensors
for another device's. What a GPU refuses it refuses too: operands of two devices, `.numpy()`, a
generator of the host. And it writes down who makes the host wait, by line.

    with present() as device, journal() as log:
        total = float(torch.ones(3, device=device).sum())
    log == {("read", "file.py: total = float(torch.ones(3, device=device).sum())"): 1}

Entries are of four kinds: "read", a copy to the host; "write", a copy from the host that the host
waits for, and "queued", one that it does not; "wait", an operation whose result has a size that
only the device knows. The interface of torch behind it is private and new in torch 2.10. It cannot
be undone either, so that the device needs a process of its own.
"""

import linecache
import sys
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest import mock
from weakref import WeakValueDictionary

import torch
from torch.utils import backend_registration as backends
from torch.utils._python_dispatch import TorchDispatchMode

NAME = "sim"
HOST = torch.device("cpu")
NOT_THE_CALLER = __file__, str(Path(torch.__file__).parent)
BY_INDEX = {"index", "index_put", "index_put_", "_index_put_impl_"}
SIZED_BY_DATA = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
PRODUCTS = "linear", "matmul", "mm", "addmm", "bmm", "baddbmm"  # what autocast makes narrower

HostGenerator = torch.Generator
engine = torch.autograd._engine_run_backward
device_generators = WeakValueDictionary()  # by the address of what torch hands to operations
journals = []
registrations = []


def missing():
    """Why this torch cannot have such a device; empty if it can."""
    there = hasattr(backends, "_setup_privateuseone_for_python_backend")
    return "" if there else f"needs torch 2.10 or later, and this is {torch.__version__}"


# What lies on the device


class SimTensor(torch.Tensor):
    """A shell that torch sees on the device, around the tensor of the host that it stands for."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner):
        with torch.inference_mode(inner.is_inference()):
            shell = cls._make_wrapper_subclass(
                cls, inner.shape, inner.stride(), inner.storage_offset(),
                dtype=inner.dtype, device=f"{NAME}:0",
            )  # fmt: skip
        shell.inner = inner
        return shell

    @property
    def data(self):
        return torch.Tensor.data.__get__(self)

    @data.setter
    def data(self, other):  # how `module.to` moves a parameter
        torch.Tensor.data.__set__(self, other)
        self.inner = other.inner

    def tolist(self):
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, op, types, args=(), kwargs=None):
        return run(op, args, kwargs or {})


class SimGenerator(HostGenerator):
    """Stands in for `torch.Generator`; one of the device draws what one of the host would."""

    device = property(lambda self: torch.device(NAME, 0))

    def __new__(cls, device="cpu"):
        if torch.device(device).type != NAME:
            return HostGenerator(device)
        made = super().__new__(cls, "cpu")
        device_generators[made._cdata] = made
        return made


class HostRefuses(TorchDispatchMode):
    """Operations of the host, which take no generator of the device."""

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        leaves = leaves_of(args, kwargs or {})
        is_host = not any(map(on_device, leaves)) and not any(map(names_device, leaves))
        if is_host and any(getattr(leaf, "_cdata", None) in device_generators for leaf in leaves):
            raise RuntimeError(f"Expected a 'cpu' device type for generator but found '{NAME}'")
        return op(*args, **(kwargs or {}))


def leaves_of(args, kwargs):
    """Arguments, and what lies in lists of them: they are not nested deeper."""
    found = []
    for part in (*args, *kwargs.values()):
        found.extend(part) if isinstance(part, list | tuple) else found.append(part)
    return found


def each(function, parts):
    """The same for lists and what lies in them, or for a single one."""
    if isinstance(parts, list | tuple):
        return [function(part) for part in parts]
    return function(parts)


def on_device(leaf):
    return isinstance(leaf, SimTensor)


def on_host(leaf):
    return isinstance(leaf, torch.Tensor) and not on_device(leaf)


def names_device(leaf):
    return isinstance(leaf, torch.device) and leaf.type == NAME


def inner(leaf):
    return leaf.inner if on_device(leaf) else leaf


# One operation


def run(op, args, kwargs):
    """Check it, write it down, compute on the host, and wrap what comes out."""
    parts = op.decompose(*args, **kwargs)
    if parts is not NotImplemented:  # in inference mode composite operations come whole
        return parts
    name = op._schema.name.removeprefix("aten::")
    target = kwargs.get("device")
    if target is not None and target.type == NAME:
        kwargs, target = kwargs | {"device": HOST}, None
    leaves = leaves_of(args, kwargs)
    refuse(op, name, args, leaves)
    write_down(kind_of(op, name, args, leaves, target))
    shells = {id(leaf.inner): leaf for leaf in leaves if on_device(leaf)}
    given = [each(inner, part) for part in args]
    out = op(*given, **{name: each(inner, part) for name, part in kwargs.items()})
    if target is not None:  # a copy to the host
        return out
    for shell in shells.values():
        if (shell.shape, shell.stride()) != (shell.inner.shape, shell.inner.stride()):  # `out=`
            torch.Tensor.data.__set__(shell, SimTensor(shell.inner))

    def shelled(leaf):  # what is changed in place stays the same object
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return shells[id(leaf)] if id(leaf) in shells else SimTensor(leaf)

    return (
        tuple(each(shelled, part) for part in out) if isinstance(out, tuple) else each(shelled, out)
    )


def refuse(op, name, args, leaves):
    """Raise where CUDA would: from the host it takes single numbers, and indices."""
    if any(
        isinstance(leaf, HostGenerator) and leaf._cdata not in device_generators for leaf in leaves
    ):
        raise RuntimeError(f"Expected a '{NAME}' device type for generator but found 'cpu'")
    if name == "copy_":
        return
    takes_numbers = torch.Tag.pointwise in op.tags or name in BY_INDEX
    takes_numbers |= name in {"masked_fill", "masked_fill_", "fill_"}
    looked_at = [args[0], *args[2:]] if name in BY_INDEX else leaves
    for leaf in filter(on_host, looked_at):
        changed = op._schema.is_mutable and leaf is args[0]
        if leaf.dim() or changed or not takes_numbers:
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{NAME}:0 and cpu! (when running {name})"
            )


def kind_of(op, name, args, leaves, target):
    """What the operation means for the host; None if it goes on at once."""
    if name == "copy_":
        if on_host(args[0]):
            return "read"
        if on_host(args[1]):
            return "queued" if len(args) > 2 and args[2] else "write"
        return None
    if name == "_to_copy":
        return None if target is None else "read"
    if name == "_local_scalar_dense":
        return "read"
    if name in BY_INDEX:
        if any(map(on_host, leaves)):
            return "write"
        masks = {torch.bool, torch.uint8}
        return "wait" if any(getattr(leaf, "dtype", None) in masks for leaf in args[1]) else None
    return "wait" if SIZED_BY_DATA & set(op.tags) or name == "_linalg_check_errors" else None


def write_down(kind):
    if kind is None or not journals:
        return
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(NOT_THE_CALLER):
        frame = frame.f_back
    file, number = frame.f_code.co_filename, frame.f_lineno
    code = linecache.getline(file, number).strip()
    for log in journals:
        log[kind, f"{Path(file).name}: {code}"] += 1


# Registration


def register():
    class Backend(backends._DummyBackendModule):
        def get_amp_supported_dtype(self):
            return [torch.bfloat16, torch.float16]

    def empty(size, *, dtype=None, memory_format=None, **_):
        return SimTensor(torch.empty(size, dtype=dtype, device=HOST, memory_format=memory_format))

    def empty_strided(size, stride, *, dtype=None, **_):
        return SimTensor(torch.empty_strided(size, stride, dtype=dtype, device=HOST))

    def copy_from(source, target, non_blocking=False):  # how `torch.tensor` fills its result
        return run(torch.ops.aten.copy_.default, (target, source, non_blocking), {})

    def narrower(op):
        keys = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)

        def cast(leaf):
            eligible = on_device(leaf) and leaf.dtype == torch.float32
            return leaf.to(torch.get_autocast_dtype(NAME)) if eligible else leaf

        def product(*args, **kwargs):
            with torch._C._ExcludeDispatchKeyGuard(keys):
                return op(*map(cast, args), **kwargs)

        return product

    backends._setup_privateuseone_for_python_backend(NAME, Backend())
    aten, others = torch.library.Library("aten", "IMPL"), torch.library.Library("_", "IMPL")
    aten.impl("empty.memory_format", empty, "PrivateUse1")
    aten.impl("empty_strided", empty_strided, "PrivateUse1")
    aten.impl("_copy_from", copy_from, "PrivateUse1")
    others.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for name in PRODUCTS:
        aten.impl(name, narrower(getattr(torch.ops.aten, name)), "AutocastPrivateUse1")
    registrations.extend([aten, others])  # they end with their objects


def backward(*args, **kwargs):
    """On the calling thread: autograd starts none for devices that come late."""
    with torch.autograd.set_multithreading_enabled(False):
        return engine(*args, **kwargs)


@contextmanager
def present():
    """Where the device can be used."""
    if not registrations:
        register()
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(torch, "Generator", SimGenerator))
        stack.enter_context(mock.patch.object(torch.autograd, "_engine_run_backward", backward))
        stack.enter_context(HostRefuses())
        yield torch.device(NAME, 0)


@contextmanager
def journal():
    """A Counter of (kind, line)."""
    journals.append(Counter())
    try:
        yield journals[-1]
    finally:
        journals.pop()
