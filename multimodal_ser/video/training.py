"""What Keras's training loop is told: progress, early stopping, taking up again."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np

from multimodal_ser.cache import write_atomically
from multimodal_ser.networks import load_keras
from multimodal_ser.video.backbones import Training


def callbacks(
    training: Training,
    network,
    batches,
    *,
    validated: bool,
    checkpoint: Path | None,
    progress: bool,
) -> list:
    """Return the callbacks of one fit.

    Args:
        training: the settings.
        network: the ``keras.Model`` that is to be fitted.
        batches: the training batches, which are told the epoch.
        validated: whether there is a validation loss; if so, training stops
            ``training.patience`` epochs after the best one, and the best
            weights are restored.
        checkpoint: a folder that keeps the state after every epoch and the best
            weights so far; a fit with the same folder goes on from there.
            Emptied when the fit ends.
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
        made.append(keras.callbacks.BackupAndRestore(str(Path(checkpoint) / "state")))
    if progress:
        made.append(_bar_callback(keras, training.epochs))
    return made


def _epoch_callback(keras, network, batches):
    # A fit that is taken up again starts at a later epoch than its batches do,
    # and Keras's checkpoint leaves out the state of dropout's random numbers.
    def tell(epoch: int, logs=None) -> None:
        batches.epoch = epoch
        for place, layer in enumerate(network.layers):
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign(_state(batches.seed, place, epoch))

    return keras.callbacks.LambdaCallback(on_epoch_begin=tell)


def _state(seed: int, place: int, epoch: int) -> np.ndarray:
    return np.random.SeedSequence([seed, place, epoch]).generate_state(2)


@cache
def _best_class():
    class BestWeights(load_keras().callbacks.EarlyStopping):
        """Keras's early stopping, which remembers its best when taken up again."""

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

    bar = tqdm(total=epochs, desc="training", unit="epoch")

    def show(epoch: int, logs=None) -> None:
        bar.n = epoch + 1
        bar.set_postfix({name: f"{value:.3f}" for name, value in (logs or {}).items()})

    return keras.callbacks.LambdaCallback(
        on_epoch_end=show, on_train_end=lambda logs=None: bar.close()
    )
