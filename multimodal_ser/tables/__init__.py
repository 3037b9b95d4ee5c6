"""The tables that flow through the project, each with its checker.

========================  =======================================================
table                     shape
========================  =======================================================
``clips``                 DataFrame, index ``clip``, columns :data:`CLIP_COLUMNS`
:class:`Features`         index ``clip`` + float32 array ``(n_clips, ...)`` + names
``probabilities``         index ``clip`` or ``(clip, frame, time_s)``, one column
                          per label; a row sums to 1, or is all NaN where the
                          modality is missing
``faces``                 DataFrame with :data:`FACE_COLUMNS`, one row per sampled frame
                          and face; NaN where there is none
``failures``              DataFrame with :data:`FAILURE_COLUMNS`, one row per clip
                          that could not be used
========================  =======================================================

Every join is by index, and a doubled clip id is refused, so that no step can
pair one clip's sound with another clip's label.
"""

from multimodal_ser.tables.clips import (
    CLIP_COLUMNS,
    EMOTIONS,
    FAILURE_COLUMNS,
    SPAN_COLUMNS,
    actor_groups,
    check_clips,
    empty_clips,
    failure_table,
    known_actors,
    make_clips,
)
from multimodal_ser.tables.faces import (
    FACE_COLUMNS,
    check_faces,
)
from multimodal_ser.tables.features import (
    Features,
)
from multimodal_ser.tables.probabilities import (
    FRAME_INDEX,
    MODALITIES,
    SUM_TOLERANCE,
    check_probabilities,
    source_order,
    sources,
    top,
    widened,
)

__all__ = [
    "CLIP_COLUMNS",
    "EMOTIONS",
    "FACE_COLUMNS",
    "FAILURE_COLUMNS",
    "FRAME_INDEX",
    "MODALITIES",
    "SPAN_COLUMNS",
    "SUM_TOLERANCE",
    "Features",
    "actor_groups",
    "check_clips",
    "check_faces",
    "check_probabilities",
    "empty_clips",
    "failure_table",
    "known_actors",
    "make_clips",
    "source_order",
    "sources",
    "top",
    "widened",
]
