"""Building ONNX graphs: training only, never reached by serving."""
