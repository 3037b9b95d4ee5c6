"""What every Keras network here shares: a quiet start, seeds, and safe files.

TensorFlow is loaded only when one of these functions is called.
"""

from __future__ import annotations

import io
import math
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from multimodal_ser.compute.cache import write_atomically
from multimodal_ser.errors import ModelError
from multimodal_ser.estimators.files import LARGEST_BYTES, check_archive
from multimodal_ser.plugins import require

if TYPE_CHECKING:
    import keras

#: Bytes of a network's description, and parts of its weights that wait at a time; those here
#: have some 100 kB, and some hundred.
_LONGEST_CONFIG, _MOST_PARTS = 2**22, 10_000
#: Values that all layers give of one input; 1 GB of them.
_MOST_VALUES = 2**28


def load_keras(seed: int | None = None) -> ModuleType:
    """Return the ``keras`` module, with its chatter off and seeds set.

    Args:
        seed: set for Python, NumPy and the backend when given. Keras draws
            its initial weights and dropout masks from these, so this is the
            one place where randomness is global.

    Returns:
        The ``keras`` module.

    Raises:
        MissingLibrary: Keras or TensorFlow is not installed.

    Example:
        >>> load_keras(seed=0).__name__
        'keras'
    """
    require("keras", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras

    if seed is not None:
        keras.utils.set_random_seed(seed)
    return keras


def unreplicated(optimizer: keras.Optimizer) -> keras.Optimizer:
    """Return an optimizer that does not sum gradients over machines, there being one.

    For that sum, of one summand, Keras 3 with TensorFlow registers a gradient
    that holds the compiled training step, and so every weight and momentum of
    the network, for the life of the process.

    Args:
        optimizer: a Keras optimizer; changed.

    Example:
        >>> unreplicated(load_keras().optimizers.SGD(momentum=0.5)).momentum
        0.5
    """
    if hasattr(optimizer, "_all_reduce_sum_gradients"):  # not with every backend
        optimizer._all_reduce_sum_gradients = list
    return optimizer


def save_network(network: keras.Model, path: str | Path) -> None:
    """Write a network as a ``.keras`` file, atomically, without its optimizer's state.

    Raises:
        OSError: the file cannot be written.
    """
    if getattr(network, "optimizer", None) is not None:
        # Keras would write the momenta too, as many numbers as there are weights.
        bare = type(network).from_config(network.get_config())
        bare.set_weights(network.get_weights())
        network = bare
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / "network.keras"
        network.save(draft)
        write_atomically(path, lambda file: file.write(draft.read_bytes()))


def load_network(path: str | Path) -> keras.Model:
    """Read a ``.keras`` file without running any code that it may carry.

    Returns:
        A ``keras.Model``.

    Raises:
        ModelError: the file is missing, damaged, or asks to run code.
    """
    keras = load_keras()
    if not Path(path).is_file():
        raise ModelError(f"{path}: there is no such network file; train the model again")
    try:
        _check_content(check_archive(path))
        with _bounded(keras):
            network = keras.saving.load_model(path, compile=False, safe_mode=True)
        if _n_values(network) > _MOST_VALUES:
            raise ModelError(f"{path}: its layers give more values than fit; train it again")
        return network
    except ModelError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(
            f"{path}: this is not a usable Keras network ({reason}); train the model again"
        ) from error


def _check_content(path: Path) -> None:
    """Refuse a file that claims more than it should: layers, or weights that lie packed."""
    import h5py

    with zipfile.ZipFile(path) as archive:
        if archive.getinfo("config.json").file_size > _LONGEST_CONFIG:
            raise ModelError(f"{path}: its description is too long; train the model again")
        content = archive.read("model.weights.h5")
    claimed, waiting = 0, [h5py.File(io.BytesIO(content))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, h5py.Dataset):
            claimed += node.nbytes
            if node.external or node.is_virtual or claimed > LARGEST_BYTES:
                raise ModelError(f"{path}: its weights are too large, or elsewhere; train it again")
            continue
        for name in node:
            # Links of other kinds lead into other files, or in circles.
            if not isinstance(node.get(name, getlink=True), h5py.HardLink):
                raise ModelError(f"{path}: its weights lie elsewhere; train the model again")
            waiting.append(node[name])
        if len(waiting) > _MOST_PARTS:
            raise ModelError(f"{path}: it has too many parts; train the model again")


def _n_values(network: keras.Model) -> int:
    """Return how many values all layers give of one input, as far as that is known."""
    count = 0
    for layer in network.layers:
        with suppress(AttributeError, ValueError):  # of a layer that is used several times
            outputs = layer.output if isinstance(layer.output, list) else [layer.output]
            count += sum(math.prod(size or 1 for size in one.shape[1:]) for one in outputs)
        count += _n_values(layer) if hasattr(layer, "layers") else 0
    return count


@contextmanager
def _bounded(keras: ModuleType) -> Iterator[None]:
    """Refuse layers whose weights take more than a file may have.

    Keras makes them, as large as the description says, before it looks into the file.
    """
    plain, made = keras.layers.Layer.add_weight, 0

    def counted(layer: Any, shape: tuple | None = None, *rest: Any, **more: Any) -> Any:
        nonlocal made
        made += 4 * math.prod(shape or ())
        if made > LARGEST_BYTES:
            raise ModelError(f"its layers claim over {LARGEST_BYTES >> 20} MB; train it again")
        return plain(layer, shape, *rest, **more)

    keras.layers.Layer.add_weight = counted
    try:
        yield
    finally:
        keras.layers.Layer.add_weight = plain
