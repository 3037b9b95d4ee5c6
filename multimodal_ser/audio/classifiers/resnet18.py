"""ResNet18 on images of the spectrogram, mel spectrogram or MFCC (``spectrogram_resnet``).

He et al., "Deep residual learning for image recognition", CVPR 2016, table 1:
a convolution 7x7 of stride 2 and a pool 3x3, four stages of two residual
blocks of two convolutions 3x3, 64 to 512 channels wide, and the mean over the
image. The source does not say whether it began with pre-trained weights; Keras
has none for this network, so it is trained from random ones. Images are scaled
to ``size_px``, because an epoch at the source's 224 takes a CPU minutes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from multimodal_ser.estimators.networks import load_keras

if TYPE_CHECKING:
    import keras

    from multimodal_ser.estimators.keras_classifier import KerasClassifier

INPUT = "image"
#: Of 3 input channels and 1,000 classes, without the statistics of the batch
#: normalisations: the number of the published network.
N_TRAINABLE = 11_689_512
SEARCH = {"learning_rate": [1e-4, 3e-4, 1e-3], "epochs": [15, 30, 60]}


def network(
    shape: tuple[int, ...] = (224, 224, 3),
    n_classes: int = 8,
    width: int = 64,
    size_px: int | None = None,
) -> keras.Model:
    """Return the uncompiled network.

    Args:
        shape: of the input, ``(height, width)`` or ``(height, width, channels)``,
            any range of values.
        n_classes: width of the softmax.
        width: channels of the first stage; 64 is ResNet18.
        size_px: height and width to scale images to; None leaves them.

    Returns:
        ``keras.Model``.
    """
    keras = load_keras()
    layers = keras.layers
    image = x = keras.Input(shape)
    if len(shape) == 2:
        x = layers.Reshape((*shape, 1))(x)
    if size_px:
        x = layers.Resizing(size_px, size_px)(x)
    x = layers.BatchNormalization(center=False, scale=False)(x)
    x = _convolved(layers, x, width, 7, 2)
    x = layers.Activation("relu")(x)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for stage in range(4):
        for block in range(2):
            x = _block(layers, x, width * 2**stage, 2 if stage and not block else 1)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(n_classes, activation="softmax")(x)
    return keras.Model(image, outputs, name="resnet18")


def _convolved(layers, x, width: int, kernel: int, stride: int):
    x = layers.Conv2D(
        width,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
    )(x)
    return layers.BatchNormalization()(x)


def _block(layers, x, width: int, stride: int):
    residual = layers.Activation("relu")(_convolved(layers, x, width, 3, stride))
    residual = _convolved(layers, residual, width, 3, 1)
    if stride > 1 or x.shape[-1] != width:
        x = _convolved(layers, x, width, 1, stride)
    return layers.Activation("relu")(layers.Add()([x, residual]))


def build(
    *,
    seed: int = 0,
    epochs: int = 30,
    learning_rate: float = 3e-4,
    batch_size: int = 32,
    size_px: int | None = 96,
    width: int = 64,
    **params: Any,
) -> KerasClassifier:
    """Return the unfitted estimator.

    Args:
        seed: of the initial weights and the order of clips.
        epochs: passes over the training clips, at most.
        learning_rate: of Adam; falls to 0 as half a cosine.
        batch_size: clips a step.
        size_px: height and width to scale images to; None leaves them.
        width: channels of the first stage; 64 is ResNet18.
        params: other parameters of :class:`KerasClassifier`.
    """
    from multimodal_ser.estimators.keras_classifier import KerasClassifier

    return KerasClassifier(
        __name__,
        seed=seed,
        epochs=epochs,
        learning_rate=learning_rate,
        batch_size=batch_size,
        optimizer="adam",
        cosine=True,
        standardise=False,
        network_params={"width": width, "size_px": size_px},
        **params,
    )
