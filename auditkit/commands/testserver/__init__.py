"""A local inference server for an ONNX file, calm or faulty: `auditkit serve`."""
