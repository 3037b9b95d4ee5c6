"""The video room: pictures from films, faces in pictures, networks over faces.

``frames`` is the only decoder, ``faces`` and ``detectors`` find and cut faces,
``extract`` turns clips into small stored pictures, ``batches`` feeds them, and
``model`` trains one of ``backbones`` and predicts frame by frame. Importing
any of these loads neither TensorFlow nor a decoder.
"""
