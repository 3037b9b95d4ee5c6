"""Every room of plug-ins: its NAMES are its files, and each keeps the room's contract."""

import importlib
import inspect
from importlib.util import find_spec
from pathlib import Path

import pytest

from multimodal_ser.errors import SerError, UnknownName

#: room -> what each of its modules must offer.
ROOMS = {
    "datasets": ("NAME", "index"),
    "audio.features": ("NAME", "VERSION", "RATE_HZ", "names", "extract"),
    "audio.classifiers": ("INPUT", "SEARCH", "build"),
    "video.features": ("NAME", "VERSION", "names", "frame_names", "sequence", "summarise"),
    "video.detectors": ("detect",),
    "video.classifiers": ("SEARCH", "SEQUENCES", "build"),
    "video.backbones": ("PARAMS", "SIZES", "TRAINING", "build"),
    "fusion.methods": ("FITTED", "LOGARITHMIC", "OPTIONS", "shapes", "fit", "evidence"),
}
#: Files that help a room's plug-ins without being one.
HELPERS = {
    "datasets": {"files", "fer2013", "synthetic", "takes"},
    "audio.classifiers": {"transfer"},
}


@pytest.fixture(params=ROOMS)
def room(request):
    return request.param, importlib.import_module(f"multimodal_ser.{request.param}")


def test_names_are_the_files(room):
    name, package = room
    files = {path.stem for path in Path(package.__file__).parent.glob("*.py")}
    assert set(package.NAMES) == files - {"__init__"} - HELPERS.get(name, set())


def test_every_module_offers_what_the_room_promises(room):
    name, package = room
    for plugin in package.NAMES:
        module = package.load(plugin)
        lacks = [word for word in ROOMS[name] if not hasattr(module, word)]
        assert not lacks, plugin


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_networks_are_those_that_build_one_and_stop_early(modality):
    room = importlib.import_module(f"multimodal_ser.{modality}.classifiers")
    modules = {name: room.load(name) for name in room.NAMES}
    networks = tuple(name for name in room.NAMES if hasattr(modules[name], "network"))
    assert networks == room.NETWORKS
    for name, module in modules.items():
        takes = "validation" in inspect.signature(module.build().fit).parameters
        assert takes == room.is_network(name), name


def test_a_wrong_name_lists_the_right_ones(room):
    _, package = room
    with pytest.raises(UnknownName) as caught:
        package.load("../cli")
    assert all(name in str(caught.value) for name in package.NAMES)


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_feature_sets_say_their_own_names(modality):
    features = importlib.import_module(f"multimodal_ser.{modality}.features")
    for name in features.NAMES:
        module = features.load(name)
        assert name == module.NAME
        if name in getattr(features, "OPENSMILE", ()) and not find_spec("opensmile"):
            with pytest.raises(SerError) as error:
                module.names()
            assert "pip install" in str(error.value)
            continue
        assert len(set(module.names())) == len(module.names())
