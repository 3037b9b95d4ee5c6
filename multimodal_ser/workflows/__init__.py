"""Training, benchmarks, evaluation, prediction: where audio, video, fusion and evaluation meet."""
