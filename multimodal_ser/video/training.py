"""What Keras's training loop is given: progress, early stopping, resuming."""

from __future__ import annotations

import json
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from multimodal_ser.compute.cache import write_atomically
from multimodal_ser.errors import UnknownName
from multimodal_ser.estimators.networks import load_keras, unreplicated
from multimodal_ser.video.backbones import Training

if TYPE_CHECKING:
    import keras

STATE = "state.npz"


def make_optimizer(training: Training, steps_per_epoch: int) -> keras.Optimizer:
    """Return the ``keras.Optimizer`` of a training.

    Args:
        training: the settings.
        steps_per_epoch: batches an epoch, which the cosine's length follows.

    Raises:
        UnknownName: there is no such optimizer.

    Example:
        >>> make_optimizer(Training(learning_rate=0.5), 10).learning_rate.numpy().item()
        0.5
    """
    keras = load_keras()
    if training.optimizer == "adam":
        return unreplicated(keras.optimizers.Adam(training.learning_rate))
    if training.optimizer != "sgd":
        raise UnknownName("optimizer", training.optimizer, ("adam", "sgd"))
    rate = keras.optimizers.schedules.CosineDecay(
        0.0,
        max(1, (training.epochs - 1) * steps_per_epoch),
        warmup_target=training.learning_rate,
        warmup_steps=steps_per_epoch,
    )
    optimizer = keras.optimizers.SGD(
        rate, momentum=0.9, nesterov=True, weight_decay=training.weight_decay or None
    )
    if training.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return unreplicated(optimizer)


def callbacks(
    training: Training,
    network: keras.Model,
    batches: keras.utils.PyDataset,
    *,
    validated: bool,
    checkpoint: Path | None,
    progress: bool,
) -> list:
    """Return the callbacks of one fit.

    Args:
        training: the settings.
        network: the ``keras.Model`` that is to be fitted.
        batches: the training batches, which have to know the epoch.
        validated: whether there is a validation loss; if so, training stops
            ``training.patience`` epochs after the best one, and the best
            weights are restored.
        checkpoint: a folder that keeps the best weights so far, for
            :func:`resume` beside the state after every epoch. Emptied when the
            fit ends.
        progress: whether to show a bar over the epochs.

    Example:
        >>> how = {"validated": True, "checkpoint": None, "progress": False}
        >>> [type(callback).__name__ for callback in callbacks(Training(), None, None, **how)]
        ['LambdaCallback', 'BestWeights']
    """
    keras = load_keras()
    made = [_epoch_callback(keras, network, batches)]
    if validated:
        best = None if checkpoint is None else Path(checkpoint) / "best.npz"
        made.append(_best_class()(training.patience, best))
    if checkpoint is not None:
        # After the best weights: a run stopped between the two repeats the
        # epoch, and finds the same loss.
        made.append(_state_callback(keras, network, Path(checkpoint) / STATE))
    if progress:
        made.append(_bar_callback(keras, training.epochs))
    return made


def resume(network: keras.Model, checkpoint: Path | None) -> tuple[int, pd.DataFrame]:
    """Put a compiled network where an interrupted fit left it.

    Args:
        network: compiled as it was then.
        checkpoint: the folder given to :func:`callbacks`, or None.

    Returns:
        The epoch to go on from, 0 where there is no usable state, and the log
        of the epochs before it.
    """
    nothing = 0, pd.DataFrame(index=pd.Index([], name="epoch", dtype=int))
    path = None if checkpoint is None else Path(checkpoint) / STATE
    if path is None or not path.is_file():
        return nothing
    network.optimizer.build(network.trainable_variables)
    variables = [*network.variables, *network.optimizer.variables]
    try:
        with np.load(path, allow_pickle=False) as entry:
            about = json.loads(str(entry["about"]))
            values = [entry[f"value_{i}"] for i in range(len(entry.files) - 1)]
        if [value.shape for value in values] != [tuple(v.shape) for v in variables]:
            return nothing  # of another network: begin anew
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return nothing
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    log = pd.DataFrame(about["log"])
    return about["epochs"], log.set_index("epoch")


def _state_callback(keras, network, path: Path):
    # Keras's own BackupAndRestore writes in place, so that a run killed while
    # it writes cannot be resumed.
    log = [] if not path.is_file() else _log_of(path)

    def keep(epoch: int, logs=None) -> None:
        log.append({"epoch": epoch} | {name: float(value) for name, value in logs.items()})
        variables = [*network.variables, *network.optimizer.variables]
        named = {f"value_{i}": np.asarray(v) for i, v in enumerate(variables)}
        about = json.dumps({"epochs": epoch + 1, "log": log})
        # NumPy's stub takes an array for allow_pickle.
        write_atomically(path, lambda file: np.savez(file, about=about, **named))  # type: ignore[arg-type]

    return keras.callbacks.LambdaCallback(
        on_epoch_end=keep, on_train_end=lambda logs=None: path.unlink(missing_ok=True)
    )


def _log_of(path: Path) -> list[dict]:
    try:
        with np.load(path, allow_pickle=False) as entry:
            return json.loads(str(entry["about"]))["log"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return []


def _epoch_callback(keras, network, batches):
    # A fit that is resumed starts at a later epoch than its batches do,
    # and the state leaves out where dropout's random numbers stand.
    def tell(epoch: int, logs=None) -> None:
        batches.epoch = epoch
        for place, layer in enumerate(network.layers):
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign(_seed_state(batches.seed, place, epoch))

    return keras.callbacks.LambdaCallback(on_epoch_begin=tell)


def _seed_state(seed: int, place: int, epoch: int) -> np.ndarray:
    return np.random.SeedSequence([seed, place, epoch]).generate_state(2)


@cache
def _best_class():
    class BestWeights(load_keras().callbacks.EarlyStopping):
        """Keras's early stopping, which remembers its best when resumed."""

        def __init__(self, patience: int, path: Path | None):
            super().__init__(monitor="val_loss", patience=patience, restore_best_weights=True)
            self.path = path

        def on_train_begin(self, logs=None) -> None:
            super().on_train_begin(logs)
            if self.path is not None and self.path.is_file():
                with np.load(self.path) as entry:
                    about = json.loads(str(entry["about"]))
                    count = len(entry.files) - 1
                    self.best_weights = [entry[f"weight_{i}"] for i in range(count)]
                self.best, self.best_epoch = about["best"], about["epoch"]

        def on_epoch_begin(self, epoch, logs=None) -> None:
            if self.best is not None:
                self.wait = max(0, epoch - 1 - self.best_epoch)

        def on_epoch_end(self, epoch, logs=None) -> None:
            super().on_epoch_end(epoch, logs)
            if self.path is not None and self.best_epoch == epoch:
                about = json.dumps({"best": float(self.best), "epoch": epoch})
                named = {f"weight_{i}": value for i, value in enumerate(self.best_weights)}
                write_atomically(self.path, lambda file: np.savez(file, about=about, **named))

        def on_train_end(self, logs=None) -> None:
            super().on_train_end(logs)
            if self.path is not None:
                self.path.unlink(missing_ok=True)

    return BestWeights


def _bar_callback(keras, epochs: int):
    from tqdm import tqdm

    bar = tqdm(total=epochs, desc="training", unit="epoch", smoothing=0.3)

    def show(epoch: int, logs=None) -> None:
        bar.n = epoch + 1
        bar.set_postfix({name: f"{value:.3f}" for name, value in (logs or {}).items()})

    return keras.callbacks.LambdaCallback(
        on_epoch_end=show, on_train_end=lambda logs=None: bar.close()
    )
