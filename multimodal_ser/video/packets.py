"""What a video's packets tell without decoding: where frames are, and which are needed.

A packet is one coded frame. A key frame begins a group of images; where no
frame of the group belongs before it and none of an earlier group after it,
decoding can begin there. So a wanted frame needs the packets from the last
such beginning up to its own, and no other.

Nothing is assumed that is not checked: :func:`survey` gives None where times
are missing, doubled or a packet is damaged, and anyone who decodes compares the
times of the images that come out with those found here.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from multimodal_ser.video.sampling import Sampling, Several

if TYPE_CHECKING:
    from av import Packet
    from av.container import InputContainer
    from av.video.stream import VideoStream

#: Codecs that put one shown frame in every packet, and at whose key frames
#: decoding can begin. Others are decoded whole: MPEG-4 Part 2 and VP8 videos
#: have packets that show nothing.
ONE_FRAME_A_PACKET = ("h264", "hevc", "vp9", "av1", "mjpeg")

#: H.264 (ITU-T Rec. H.264, table 7-1): a slice of an IDR image. After any
#: other key frame, frames may still refer to what was before it.
IDR_SLICE = 5


class Survey(NamedTuple):
    """The packets of a video in the order of decoding, 18 bytes each.

    Attributes:
        pts: int64 ``(n,)``, presentation times in units of the stream's
            ``time_base``; no two are equal.
        shown: bool ``(n,)``: not cut off by an edit list.
        key: bool ``(n,)``: coded by itself.
        begins: bool ``(n,)``: decoding can begin here.
        whole: whether the packets were read to the end and none is damaged;
            otherwise those that are, or come after what cannot be read, are
            left out.
    """

    pts: np.ndarray
    shown: np.ndarray
    key: np.ndarray
    begins: np.ndarray
    whole: bool = True

    def display_order(self) -> np.ndarray:
        """Return the positions of the packets of frames 0, 1, 2, ..."""
        order = np.argsort(self.pts)
        return order[self.shown[order]]


class Plan(NamedTuple):
    """What to decode.

    Attributes:
        index: frame index by the time (pts) of every wanted frame.
        runs: ``(start, stop)`` of packets to decode, rising; at each start
            decoding begins anew.
    """

    index: dict[int, int]  # type: ignore[assignment]  # hides tuple.index
    runs: list[tuple[int, int]]


def survey(container: InputContainer, stream: VideoStream) -> Survey | None:
    """Read all packets of a stream, decoding none.

    Args:
        container: an open PyAV container, at its beginning.
        stream: its video stream.

    Returns:
        None where the packets do not tell which frame is which: a time is
        missing or doubled, a packet is empty, or the first is no key frame.
    """
    notes = Surveyor(stream)
    for packet in _readable(container.demux(stream)):
        if not notes.add(packet):
            break
    return notes.survey()


class Surveyor:
    """Notes what the packets of a stream tell, as they come.

    Args:
        stream: a video stream.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._h264 = stream.codec_context.codec.canonical_name == "h264"
        extradata = stream.codec_context.extradata
        self._length_bytes = _nal_length_bytes(extradata) if self._h264 else 0
        self._pts, self._flags = array("q"), bytearray()
        self._ended = self._damaged = self._untold = False

    def add(self, packet: Packet) -> bool:
        """Note the next packet of the stream; return whether another is of use."""
        if packet.size == 0 and packet.dts is None:
            self._ended = True
        elif packet.is_corrupt:
            self._damaged = True
        elif packet.pts is None or packet.size == 0:
            self._untold = True
        elif not (self._ended or self._untold):
            key = packet.is_keyframe
            fresh = key and (not self._h264 or has_idr(memoryview(packet), self._length_bytes))
            self._pts.append(packet.pts)
            self._flags.append((not packet.is_discard) | key << 1 | fresh << 2)
        return not (self._ended or self._untold)

    def survey(self) -> Survey | None:
        """Return what was noted, see :func:`survey`."""
        if self._untold:
            return None
        whole = self._ended and not self._damaged
        pts, bits = np.frombuffer(self._pts, np.int64), np.frombuffer(self._flags, np.uint8)
        return _surveyed(pts, bits, whole)


def _readable(packets: Iterator) -> Iterator:
    import av

    while True:
        try:
            packet = next(packets, None)
        except (av.error.FFmpegError, OSError):
            return
        if packet is None:
            return
        yield packet


def _surveyed(pts: np.ndarray, bits: np.ndarray, whole: bool) -> Survey | None:
    shown, key, fresh = (bits & place > 0 for place in (1, 2, 4))
    if not shown.any() or not key[0] or len(np.unique(pts)) < len(pts):
        return None
    return Survey(pts, shown, key, fresh & splits_time(pts), whole)


def splits_time(pts: np.ndarray) -> np.ndarray:
    """Return where all times before are smaller and all after are greater.

    Args:
        pts: int64 ``(n,)``, no two equal.

    Example:
        >>> splits_time(np.array([0, 3, 1, 4, 6, 5])).tolist()
        [True, False, False, True, False, False]
    """
    before = np.concatenate([[np.iinfo(np.int64).min], np.maximum.accumulate(pts)[:-1]])
    after = np.minimum.accumulate(pts[::-1])[::-1]
    return (before < pts) & (after == pts)


def plan(found: Survey, seconds_per_unit: float, sampling: Sampling | Several) -> Plan:
    """Return which packets the wanted frames need.

    Args:
        found: what :func:`survey` gave.
        seconds_per_unit: of the times.
        sampling: which frames are wanted.

    Example:
        >>> times, yes = np.arange(12), np.ones(12, bool)
        >>> key = times % 5 == 0
        >>> plan(Survey(times, yes, key, key), 0.04, Sampling(every=7))
        Plan(index={0: 0, 7: 7}, runs=[(0, 1), (5, 8)])
        >>> plan(Survey(times, yes, key, key), 0.04, Sampling(keyframes_only=True)).runs
        [(0, 1), (5, 6), (10, 11)]
    """
    order = found.display_order()
    times = (found.pts[order] - found.pts[order[:1]]) * seconds_per_unit
    picker = sampling.picker()
    asked = zip(times.tolist(), found.key[order].tolist(), strict=True)
    ranks = [rank for rank, (time_s, is_key) in enumerate(asked) if picker(rank, time_s, is_key)]
    positions = order[ranks]
    index = dict(zip(found.pts[positions].tolist(), ranks, strict=True))
    if sampling.keyframes_only:
        return Plan(index, [(at, at + 1) for at in sorted(positions.tolist())])
    return Plan(index, _runs(found.begins, positions))


def _runs(begins: np.ndarray, positions: np.ndarray) -> list[tuple[int, int]]:
    begins = begins.copy()
    begins[:1] = True  # there is nowhere earlier to begin
    starts = np.flatnonzero(begins)
    group = np.searchsorted(starts, positions, side="right") - 1
    stops = np.zeros(len(starts), np.int64)
    np.maximum.at(stops, group, positions + 1)
    runs: list[tuple[int, int]] = []
    for start, stop in zip(starts[stops > 0].tolist(), stops[stops > 0].tolist(), strict=True):
        if runs and runs[-1][1] == start:
            runs[-1] = runs[-1][0], stop
        else:
            runs.append((start, stop))
    return runs


def has_idr(packet: bytes | memoryview, length_bytes: int) -> bool:
    """Return whether an H.264 packet holds a slice of an IDR image.

    Args:
        packet: the packet's bytes.
        length_bytes: bytes that hold the length of each unit in mp4 and mkv
            (ISO/IEC 14496-15); 0 where start codes part the units, in which
            case the answer is no.

    Example:
        >>> has_idr(bytes.fromhex("00000002 09f0 00000001 65"), 4)
        True
        >>> has_idr(bytes.fromhex("00000001 41"), 4)
        False
    """
    at = 0
    while length_bytes and at + length_bytes < len(packet):
        length = int.from_bytes(packet[at : at + length_bytes], "big")
        if packet[at + length_bytes] & 31 == IDR_SLICE:
            return True
        at += length_bytes + length
    return False


def _nal_length_bytes(extradata: bytes | None) -> int:
    # avcC, the decoder configuration of ISO/IEC 14496-15, begins with 1; the
    # low bits of its fifth byte are the bytes of a length, less one.
    if not extradata or len(extradata) < 5 or extradata[0] != 1:
        return 0
    return (extradata[4] & 3) + 1
