"""The commands, one file for each group; they parse, call the library and print."""

# The commands import what they call inside their functions: `auditkit --help` and a mistyped option
# answer at once, without loading ONNX Runtime or torch.
