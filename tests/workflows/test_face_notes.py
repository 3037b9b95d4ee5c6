"""What a prediction says of the faces in its clip."""

import numpy as np
import pandas as pd

from multimodal_ser.tables import make_clips
from multimodal_ser.video import people
from multimodal_ser.video.extract import ClipFrames, FrameParams, FrameStore
from multimodal_ser.video.model import VideoModel
from multimodal_ser.workflows.inference import NOTE_COLUMN, prediction_table
from multimodal_ser.workflows.models import Model


def test_several_faces_are_a_note_of_their_clip_alone():
    images = np.random.default_rng(0).integers(0, 255, (2, 48, 48), dtype=np.uint8)
    alone = ClipFrames.of_pictures(images)
    face = dict.fromkeys(people.COLUMNS, 0) | {"w": 40, "h": 40, "followed": 1}
    rows = [{**face, "row": row} for row in (0, 1)]
    rows += [{**one, "person": 1, "x": 50, "w": 20, "followed": 0} for one in rows]
    crowd = alone._replace(faces=pd.DataFrame(rows).to_numpy(np.float32))
    store = FrameStore({"alone": alone, "crowd": crowd})
    learner = VideoModel("fer_cnn", params=FrameParams(size_px=48, crop="face"))
    clips = make_clips([{"clip": "alone", "video": "a.mp4"}, {"clip": "crowd", "video": "b.mp4"}])
    found = Model({learner.name: learner}).probabilities(clips.index, {learner.key: store})
    notes = prediction_table(found, clips).groupby("clip")[NOTE_COLUMN].unique()
    assert notes["alone"].tolist() == [""]
    assert notes["crowd"].tolist() == ["2 faces, the largest was followed"]
