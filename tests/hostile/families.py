"""All families of hostile suspects, by name."""

from tests.hostile import functions, onnx_files, onnx_graphs, recordings, torch_files
from tests.hostile.base import Family

FAMILIES: dict[str, Family] = {
    "cut ONNX": onnx_files.cut,
    "changed ONNX": onnx_files.mutants,
    "no ONNX": onnx_files.others,
    "external weights": onnx_files.external,
    "places": onnx_files.places,
    "loops": onnx_graphs.loops,
    "bombs": onnx_graphs.bombs,
    "inputs": onnx_graphs.inputs,
    "outputs": onnx_graphs.outputs,
    "structures": onnx_graphs.structures,
    "types": onnx_graphs.types,
    "names": onnx_graphs.names,
    "no names": onnx_graphs.no_names,
    "programs": torch_files.programs,
    "damaged programs": torch_files.archives,
    "pickles": torch_files.pickles,
    "scripts": torch_files.scripts,
    "damaged scripts": torch_files.damaged,
    "archives": recordings.archives,
    "tables": recordings.tables,
    "functions": functions.functions,
}
