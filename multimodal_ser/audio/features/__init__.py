"""Feature sets: each file turns one signal into one array of fixed size.

A feature set is a module with ``NAME``, ``VERSION`` (raised when its numbers
change), ``RATE_HZ``, ``names()`` and ``extract(sound)``, which takes the samples
at that rate, or the :class:`~multimodal_ser.audio.spectra.Spectra` of them that
several sets share, and returns float32 of one shape, finite. Arrays of more than
one dimension say their ``SHAPE``, and ``names()`` then names the axes; images
say their ``DTYPE``, uint8. Published systems are named by their recipes in ``pipelines/``.

============================  =========  =========================================================
set                           shape      what
============================  =========  =========================================================
mfcc_rms                      157        AEI 2019: statistics of MFCC, deltas; energy
spectral_moments              77         gendered_mlp: seven moments of eleven features
spectral_mean_std             22         cremad_valence: mean and deviation of eleven features
mfcc_chroma_mel               180        soft_voting: mean MFCC, chroma and mel
functionals                   2669       ours: statistics of everything in a spectrogram
random_convolutions           5500       ours: random convolutions of log-mel frames
functionals_and_convolutions  8169       both
robust_functionals            2628       functionals of the utterance, at one level, up to 8 kHz
robust_convolutions           4400       random convolutions of it, each band about its mean
robust_log_mel                160, 64    3.2 s of the utterance's log-mel frames, for networks
egemaps                       88         openSMILE's eGeMAPS v02; for research only
compare2016                   6373       openSMILE's ComParE 2016; for research only
log_mel                       300, 64    3 s of log-mel frames, for networks
waveform                      48000, 1   3 s of samples, for networks
spectrogram_image             128, 128   the clip's spectrogram as an image
mel_image                     128, 128   its mel spectrogram
mel_image224                  224, 224   the same, as large as ImageNet's networks want
mfcc_image                    128, 128   its MFCC
============================  =========  =========================================================
"""

from __future__ import annotations

from types import ModuleType

from multimodal_ser.plugins import load_plugin, require

NAMES = (
    "mfcc_rms",
    "spectral_moments",
    "spectral_mean_std",
    "mfcc_chroma_mel",
    "functionals",
    "random_convolutions",
    "functionals_and_convolutions",
    "robust_functionals",
    "robust_convolutions",
    "robust_log_mel",
    "egemaps",
    "compare2016",
    "log_mel",
    "waveform",
    "spectrogram_image",
    "mel_image",
    "mel_image224",
    "mfcc_image",
)
#: What sets were called in models that were saved earlier.
FORMER_NAMES = {
    "aei157": "mfcc_rms",
    "moments77": "spectral_moments",
    "valence22": "spectral_mean_std",
    "voting180": "mfcc_chroma_mel",
    "kernels": "random_convolutions",
    "voice": "functionals_and_convolutions",
}
#: Sets that need the package opensmile, which is for research only.
OPENSMILE = ("egemaps", "compare2016")
#: Sets that need librosa, for pitch classes.
LIBROSA = ("spectral_moments", "spectral_mean_std", "mfcc_chroma_mel")


def load(name: str) -> ModuleType:
    """Return the module of a feature set.

    Raises:
        UnknownName: there is none of this name.
        MissingLibrary: it needs librosa, and that is not installed.

    Example:
        >>> len(load("mfcc_rms").names())
        157
    """
    if name in LIBROSA:
        require("librosa")
    return load_plugin(__name__, "feature set", name, NAMES)


def shape(name: str) -> tuple[int, ...]:
    """Return the shape of one clip's features.

    Raises:
        UnknownName: there is no such set.
        SerError: it is openSMILE's, and that is not installed.

    Example:
        >>> shape("mfcc_chroma_mel"), shape("log_mel")
        ((180,), (300, 64))
    """
    module = load(name)
    return getattr(module, "SHAPE", None) or (len(module.names()),)
