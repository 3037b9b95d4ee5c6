"""A video model: front end, backbone and labels, trained and applied frame by frame.

It gives a probability for every sampled frame; how frames become one answer
for the clip is for others to say.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from multimodal_ser.compute.apart import Apart
from multimodal_ser.errors import ModelError, SerError
from multimodal_ser.estimators.files import warn_of_missing
from multimodal_ser.estimators.networks import load_keras, load_network, save_network
from multimodal_ser.export import runtime as light
from multimodal_ser.tables import EMOTIONS, FRAME_INDEX
from multimodal_ser.tables.records import FrameLearnerRecord, to_record
from multimodal_ser.video import backbones
from multimodal_ser.video.backbones import Training
from multimodal_ser.video.batches import as_input, frame_batches
from multimodal_ser.video.extract import VERSION, ClipFrames, FrameParams, FrameStore
from multimodal_ser.video.training import callbacks, make_optimizer, resume

if TYPE_CHECKING:
    import keras

#: Pixels that one prediction takes at most, 16 images of 256 px: the first
#: map of ``aei_cnn`` is 60 times as large, in float32.
BATCH_PIXELS = 2**20
#: And images: more at a time are no faster, and take 600 MB in place of 160.
BATCH_IMAGES = 64


class VideoModel:
    """A backbone with everything needed to train it and to use it again.

    Args:
        backbone: one of ``backbones.NAMES``.
        labels: the labels in the order of the outputs, two or more.
        params: the front end; None takes the backbone's own.
        seed: of weights, order and augmentation.
        epochs: at most so many; None takes the backbone's own number.
        weights: a ``.keras`` file to start from; see the backbone.
        training: all settings at once; None takes the backbone's own.
        augment: whether training images are changed a little, or the function
            that changes them; see :func:`~multimodal_ser.video.batches.frame_batches`.

    Raises:
        UnknownName: there is no such backbone.
        ModelError: the labels are not two or more different names, or the
            backbone cannot take images of ``params.size_px``. On first use:
            ``weights`` does not fit the backbone.

    Example:
        >>> model = VideoModel("fer_cnn").fit(store, train, validation)  # doctest: +SKIP
        >>> model.predict_frames(store, test)  # doctest: +SKIP
    """

    kind: Literal["frames"] = "frames"
    modality = "video"
    input = "frames"

    def __init__(
        self,
        backbone: str,
        *,
        labels: Sequence[str] = EMOTIONS,
        params: FrameParams | None = None,
        seed: int = 0,
        epochs: int | None = None,
        weights: str | Path | None = None,
        training: Training | None = None,
        augment: bool | Callable = True,
    ) -> None:
        module = backbones.load(backbone)
        self.backbone, self.labels = backbone, _check_labels(labels)
        self.params = params or module.PARAMS
        if self.params.size_px not in module.SIZES:
            sizes = f"{module.SIZES[0]} to {module.SIZES[-1]}"
            raise ModelError(f"{backbone} takes images of {sizes} px, not {self.params.size_px}")
        self.seed, self.augment = seed, augment
        self.training = training or module.TRAINING
        if epochs is not None:
            self.training = replace(self.training, epochs=epochs)
        self._weights, self._network = weights, None
        self._light: light.LightNetwork | None = None
        self._apart: Apart | None = None
        self._network_path: Path | None = None
        self.history: pd.DataFrame | None = None

    @property
    def name(self) -> str:
        """How the learner is called."""
        return self.backbone

    @property
    def key(self) -> str:
        """What its frames are kept under, beside those of other learners."""
        return f"{self.input}:{self.backbone}"

    @property
    def network(self) -> keras.Model:
        """The ``keras.Model``, built or read when first needed.

        Who asks for it may train it, so from then on it predicts, too.
        """
        self._light = self._apart = None
        if self._network is None and self._network_path is not None:
            found = load_network(self._network_path)
            self._network = _check_network(found, self, self._network_path)
        if self._network is None:
            module = backbones.load(self.backbone)
            self._network = module.build(
                n_classes=len(self.labels), seed=self.seed, weights=self._weights
            )
        return self._network

    def fit(
        self,
        store: FrameStore,
        clips: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        checkpoint: Path | None = None,
        progress: bool = True,
    ) -> VideoModel:
        """Train on the frames of labelled clips.

        Args:
            store: the frames; clips that it lacks are passed over.
            clips: a clips table; rows whose ``emotion`` is none of the model's
                labels are passed over too.
            validation: other actors' clips, by which training is stopped
                early; never those the model is judged by.
            checkpoint: a folder in which to keep the state, so that an
                interrupted training can go on.
            progress: whether to show a bar.

        Returns:
            The model. ``history`` has a row an epoch.

        Raises:
            SerError: fewer than two classes are left to learn.
            ModelError: the stored images have another size than the model's,
                or ``weights`` does not fit the backbone.
        """
        held = self._targets(store, clips.iloc[:0] if validation is None else validation)
        targets = self._targets(store, clips)
        return self.fit_shares(store, targets, held, checkpoint=checkpoint, progress=progress)

    def fit_shares(
        self,
        store: FrameStore,
        targets: pd.DataFrame,
        validation: pd.DataFrame | None = None,
        *,
        checkpoint: Path | None = None,
        progress: bool = True,
    ) -> VideoModel:
        """Train on the frames of clips whose labels are shares, such as votes.

        Args:
            store: the frames.
            targets: index clip, one column a label in the model's order; rows
                sum to 1.
            validation: other people's clips, likewise; see :meth:`fit`.
            checkpoint: see :meth:`fit`.
            progress: whether to show a bar.

        Returns:
            The model. ``history`` has a row an epoch, those of an interrupted
            training included.

        Raises:
            SerError, ModelError: see :meth:`fit`.
        """
        classes = int(targets.any().sum())
        if classes < 2:
            raise SerError(
                f"{len(targets)} labelled clip(s) with frames hold {classes} class(es); "
                "training needs clips of at least two"
            )
        batches, held_out = self._batches(store, targets, train=True), None
        if validation is not None and len(validation):
            held_out = self._batches(store, validation, train=False)
        self.history = self._train(batches, held_out, checkpoint, progress)
        return self

    def _train(self, batches, held_out, checkpoint: Path | None, progress: bool) -> pd.DataFrame:
        network = self.network
        load_keras(self.seed)
        optimizer = make_optimizer(self.training, len(batches))
        network.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
        begin, before = resume(network, checkpoint)
        told = callbacks(
            self.training,
            network,
            batches,
            validated=held_out is not None,
            checkpoint=checkpoint,
            progress=progress,
        )
        log = network.fit(
            batches,
            validation_data=held_out,
            initial_epoch=begin,
            epochs=self.training.epochs,
            shuffle=False,  # the batches are mixed already; Keras would mix by global chance
            callbacks=told,
            verbose=0,
        )
        after = pd.DataFrame(log.history, index=pd.Index(log.epoch, name="epoch"))
        return pd.concat([before, after])

    def predict_frames(
        self, store: FrameStore, clips: pd.DataFrame | Iterable[str]
    ) -> pd.DataFrame:
        """Return the probabilities of every sampled frame.

        Args:
            store: the frames, made with the model's ``params``.
            clips: a clips table or clip ids; those that ``store`` lacks have
                no rows.

        Returns:
            DataFrame, index (clip, frame, time_s), one column a label, float32;
            rows sum to 1, and are NaN where the frame shows no face.

        Raises:
            ModelError: the stored images have another size than the model's.
        """
        ids = clips.index if isinstance(clips, pd.DataFrame) else clips
        rows: list[tuple[str, int, float]] = []
        usable: list[bool] = []

        def pictures() -> Iterator[np.ndarray]:
            for clip in ids:
                if clip in store:
                    found = self._checked(clip, store[clip])
                    rows.extend((clip, int(i), float(t)) for i, t in zip(*found[:2], strict=True))
                    usable.extend(found.usable)
                    # An hour of large images is not copied without need.
                    whole = found.usable.all()
                    yield found.pictures if whole else found.pictures[found.usable]

        size = min(BATCH_IMAGES, max(1, BATCH_PIXELS // self.params.size_px**2))
        # One call a batch: ``predict`` would spend more on its own set-up than
        # a small network spends on the images.
        batches = regroup(pictures(), size)
        predict = self._apart or (self._light or self.network).predict_on_batch
        source = getattr(self._light, "source", self.name)
        predicted = [
            light.checked_probabilities(predict(as_input(batch)), source) for batch in batches
        ]
        values = np.full((len(rows), len(self.labels)), np.nan, np.float32)
        if predicted:
            values[np.array(usable, bool)] = np.concatenate(predicted)
        columns = zip(*rows, strict=True) if rows else ([], [], [])
        index = pd.MultiIndex.from_arrays([list(column) for column in columns], names=FRAME_INDEX)
        return pd.DataFrame(values, index, list(self.labels))

    def describe(self) -> dict:
        """Return what JSON needs to hold beside the weights to load the model.

        Example:
            >>> VideoModel("fer_cnn", labels=("sad", "happy")).describe()["labels"]
            ['sad', 'happy']
        """
        return {
            "kind": self.kind,
            "backbone": self.backbone,
            "params": asdict(self.params),
            "labels": list(self.labels),
            "seed": self.seed,
            "frames_version": VERSION,
        }

    def save_weights(self, path: str | Path) -> str | None:
        """Write the network as a ``.keras`` file, and exported, as ``.onnx`` beside it.

        Args:
            path: of the ``.keras`` file.

        Returns:
            Why there is no exported network; None where there is one.

        Raises:
            OSError: a file cannot be written.
        """
        from multimodal_ser.export.networks import network_to_onnx

        network, exported = self.network, Path(path).with_suffix(".onnx")
        exported.unlink(missing_ok=True)  # it would be another network's
        save_network(network, path)
        size = self.params.size_px
        pictures = np.random.default_rng(self.seed).random((3, size, size, 1), np.float32)
        try:
            light.export(network_to_onnx(network), exported, network.predict_on_batch, pictures)
        except light.NotExportable as reason:
            return str(reason)
        return None

    @classmethod
    def load(cls, description: Mapping, network_path: str | Path) -> VideoModel:
        """Return a saved model.

        Where the exported network is, it predicts, without Keras, and the
        ``.keras`` file is needed only to train on. Where it is not, Keras predicts in a
        process of its own.

        Args:
            description: what :meth:`describe` gave; checked, since it may come
                from anyone's file.
            network_path: what :meth:`save_weights` wrote.

        Raises:
            ModelError: the description is incomplete or has a wrong value, or
                the network is missing, damaged or does not fit it.

        Example:
            >>> VideoModel.load(model.describe(), "video.keras")  # doctest: +SKIP
        """
        model = cls(**check_description(description))
        model._network_path = Path(network_path)
        exported = model._network_path.with_suffix(".onnx")
        if os.path.lexists(exported):
            model._light = _check_network(light.load(exported), model, exported)
        else:
            warn_of_missing(exported, "Keras")
            model._apart = Apart(_reader, model._network_path, json.dumps(model.describe()))
            model._apart.check()
        return model

    @classmethod
    def of_network(cls, backbone: str, network: keras.Model, **settings: Any) -> VideoModel:
        """Return a model around a network that was trained elsewhere.

        Args:
            backbone: whose images it takes; one of ``backbones.NAMES``.
            network: a ``keras.Model``.
            settings: as for :class:`VideoModel`.

        Raises:
            ModelError: the network takes other images or gives other labels.

        Example:
            >>> VideoModel.of_network("fer_resnet", mapped(own, matrix))  # doctest: +SKIP
        """
        model = cls(backbone, **settings)
        model._network = _check_network(network, model, network.name)
        return model

    def _targets(self, store: FrameStore, clips: pd.DataFrame) -> pd.DataFrame:
        """Return one-hot rows of the clips that have frames and one of the labels."""
        known = clips.index.isin(store.clips) & clips["emotion"].isin(self.labels)
        emotion = clips.loc[known, "emotion"].to_numpy(dtype=object)
        hot = emotion[:, None] == np.array(self.labels, dtype=object)[None]
        return pd.DataFrame(hot.astype(np.float32), clips.index[known], list(self.labels))

    def _batches(self, store: FrameStore, targets: pd.DataFrame, train: bool):
        # Checked here too: a wrong size would fail inside Keras, unreadably.
        self._checked(targets.index[0], store[targets.index[0]])
        return frame_batches(
            store,
            targets.index,
            targets,
            batch_size=self.training.batch_size,
            seed=self.seed,
            augment=self.augment if train else False,
            shuffle=train,
            steps=self.training.steps_per_epoch if train else None,
        )

    def _checked(self, clip: str, found: ClipFrames) -> ClipFrames:
        size = self.params.size_px
        if found.pictures.shape[1:] != (size, size):
            raise ModelError(
                f"the frames of {clip!r} have {found.pictures.shape[1]} px and the model wants "
                f"{size}; extract them with the model's params"
            )
        return found


def regroup(arrays: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Yield the rows of many arrays again in arrays of ``size`` rows, the last shorter.

    Example:
        >>> [len(array) for array in regroup([np.zeros(3), np.zeros(0), np.zeros(4)], 5)]
        [5, 2]
    """
    waiting: list[np.ndarray] = []
    count = 0
    for array in arrays:
        begin = 0
        while count + len(array) - begin >= size:
            stop = begin + size - count
            yield np.concatenate([*waiting, array[begin:stop]])
            waiting, count, begin = [], 0, stop
        waiting.append(array[begin:])
        count += len(array) - begin
    if count:
        yield np.concatenate(waiting)


def check_description(description: Mapping) -> dict:
    """Return the arguments of :class:`VideoModel` that a description holds.

    Raises:
        ModelError: a key is missing or unknown, or a value cannot be right.

    Example:
        >>> check_description({})
        Traceback (most recent call last):
        multimodal_ser.errors.ModelError: the video model's description is damaged: Object \
missing required field `backbone`; make it again
    """
    what = "the video model's description"
    # Models that were saved earlier say how their frames are pooled, too.
    if isinstance(said := description, Mapping):
        said = {key: value for key, value in description.items() if key != "pooling"}
    record = to_record(said, FrameLearnerRecord, what, error=ModelError)
    if record.frames_version != VERSION:
        raise ModelError(
            f"{what} names version {record.frames_version} of the frames, this program makes "
            f"version {VERSION}; train the model again"
        )
    arguments: dict[str, Any] = {"backbone": record.backbone, "labels": record.labels}
    params: dict[str, Any] = record.params  # of whatever types the file has
    try:
        # Earlier models name no detector where theirs was the only one.
        params = {"detector": "haar", **params}
        arguments |= {"seed": record.seed, "params": FrameParams(**params)}
        VideoModel(**arguments)
    except (SerError, TypeError, ValueError) as error:
        raise ModelError(f"{what} is wrong: {error!s:.300}") from None
    return arguments


def _check_labels(labels: Sequence[str]) -> tuple[str, ...]:
    labels = tuple(labels)
    named = all(isinstance(label, str) and label for label in labels)
    if not named or len(labels) < 2 or len(set(labels)) < len(labels):
        raise ModelError(f"the labels {labels!r:.80} are not two or more different names")
    return labels


def _reader(path: Path, description: str) -> Callable[[np.ndarray], np.ndarray]:
    """Return what gives the probabilities of a network that was not exported."""
    model = VideoModel(**check_description(json.loads(description)))
    model._network_path = path
    return model.network.predict_on_batch


def _check_network(network, model: VideoModel, source: str | Path):
    """Return a network that takes the model's images and gives its labels."""
    size = model.params.size_px
    # A loaded file may hold any network, even one of several inputs.
    taken, given = network.input_shape, network.output_shape
    wanted = (None, size, size, 1)
    fits = len(taken) == 4 and all(
        there is None or there == here for there, here in zip(taken, wanted, strict=True)
    )
    if not fits or tuple(given) != (None, len(model.labels)):
        raise ModelError(
            f"{source}: the network turns {taken} into {given}; expected {wanted} into "
            f"{len(model.labels)} labels; use the network saved with the description"
        )
    return network
