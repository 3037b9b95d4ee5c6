"""The video room: images from videos, faces in images, networks over faces.

``frames`` is the only decoder, ``faces`` and ``detectors`` find and cut faces,
``extract`` turns clips into small stored images, ``batches`` feeds them, and
``model`` trains one of ``backbones`` and predicts frame by frame. Importing
any of these loads neither TensorFlow nor a decoder.
"""
