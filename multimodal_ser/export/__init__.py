"""Networks and classifiers as ONNX files, and what runs them without TensorFlow."""
