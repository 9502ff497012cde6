"""ONNX files that are well formed, and what they compute is not."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

from tests.conftest import COPY, SHAPE
from tests.hostile.base import Hostile

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
INPUT = ("b", *SHAPE)
node = helper.make_node


def value(name: str, shape: Sequence[int | str] | None = INPUT, kind: int = FLOAT):
    """A declared input or output."""
    return helper.make_tensor_value_info(name, kind, shape)


def constant(name: str, content: object, dtype: str = "int64") -> TensorProto:
    """An initialiser."""
    return numpy_helper.from_array(np.array(content, dtype), name)


def saved(
    path: Path,
    nodes: Sequence[NodeProto],
    *,
    takes: Sequence[object] = (),
    gives: Sequence[object] = (),
    constants: Sequence[TensorProto] = (),
    opset: int = 17,
    ir: int = 8,
    domains: Sequence[str] = (),
    functions: Sequence[object] = (),
) -> None:
    """Write a model that nothing has checked."""
    graph = helper.make_graph(
        nodes,
        "g",
        list(takes) or [value("x")],
        list(gives) or [value("y", ["b", 5])],
        [numpy_helper.from_array(COPY, "w"), *constants],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(graph, opset_imports=opsets, functions=functions)
    model.ir_version = ir
    path.write_bytes(model.SerializeToString())


def graph(name: str, *nodes: NodeProto, honest: bool = False, **more: object) -> Hostile:
    """A model of these nodes."""
    return Hostile(name, lambda path: saved(path, nodes, **more), honest)


LINEAR = (node("Flatten", ["x"], ["flat"]), node("MatMul", ["flat", "w"], ["y"]))


def behind(*nodes: NodeProto) -> tuple[NodeProto, ...]:
    """The copy, with these nodes between the input x and what it takes: z."""
    return (*nodes, node("Flatten", ["z"], ["flat"]), node("MatMul", ["flat", "w"], ["y"]))


def _body(*nodes: NodeProto, gives: object = None) -> GraphProto:
    takes = [value("n", [], INT64), value("go", [], BOOL), value("state", None)]
    on = [value("on", [], BOOL), gives or value("next", None)]
    return helper.make_graph([node("Identity", ["go"], ["on"]), *nodes], "body", takes, on)


def loops() -> Iterator[Hostile]:
    """Loops that do not end, or not in anybody's life."""
    same, grown = (
        _body(node("Identity", ["state"], ["next"])),
        _body(node("Concat", ["state", "state"], ["next"], axis=0)),
    )
    true = constant("true", True, "bool")
    for name, count in (("endless", ""), ("long", "count")):
        looped = node("Loop", [count, "true", "x"], ["z"], body=same)
        counts = [constant("count", 1 << 62)]
        yield graph(f"loop-{name}.onnx", *behind(looped), constants=[true, *counts])
    looped = node("Loop", ["", "true", "x"], ["z"], body=grown)
    yield graph("loop-growing.onnx", *behind(looped), constants=[true])
    # Of constants alone, so that it runs when the session is made.
    looped = node("Loop", ["", "true", "zero"], ["found"], body=same)
    nodes = (looped, node("Add", ["x", "found"], ["z"]))
    zero = constant("zero", 0, "float32")
    yield graph("loop-at-load.onnx", *behind(*nodes), constants=[true, zero])
    for depth in (10, 60):
        yield Hostile(f"nested-ifs-{depth}.onnx", partial(_nested, depth=depth), honest=True)


def _nested(path: Path, depth: int) -> None:
    inner = helper.make_graph([node("Identity", ["x"], ["i0"])], "i", [], [value("i0", None)])
    for n in range(1, depth):
        chosen = node("If", ["true"], [f"i{n}"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([chosen], "i", [], [value(f"i{n}", None)])
        if len(inner.SerializeToString()) > 1 << 22:
            break
    chosen = node("If", ["true"], ["z"], then_branch=inner, else_branch=inner)
    saved(path, behind(chosen), constants=[constant("true", True, "bool")])


def bombs() -> Iterator[Hostile]:
    """Small files that want more memory than there is."""
    huge = [1 << 20, 1 << 20]
    sizes = (("2e40", huge), ("2e33", [1 << 33]), ("negative", [-5]), ("axes", [2] * 40))
    for name, shape in sizes:
        made = node("ConstantOfShape", ["shape"], ["big"])
        added = (
            made,
            node("ReduceSum", ["big"], ["sum"], keepdims=0),
            node("Add", ["x", "sum"], ["z"]),
        )
        yield graph(f"fill-{name}.onnx", *behind(*added), constants=[constant("shape", shape)])
    ends = [constant("a", 0), constant("b", 1 << 40), constant("d", 1)]
    ranged = (
        node("Range", ["a", "b", "d"], ["big"]),
        node("ReduceSum", ["big"], ["sum"], keepdims=0),
        node("Cast", ["sum"], ["one"], to=FLOAT),
        node("Add", ["x", "one"], ["z"]),
    )
    yield graph("range.onnx", *behind(*ranged), constants=ends)
    for name, kind in (("expand", "Expand"), ("tile", "Tile")):
        shape = [1 << 18, 1 << 6, 4, 4] if kind == "Expand" else [1, 1 << 20, 1, 1]
        nodes = (node(kind, ["x", "shape"], ["big"]), node("ReduceMax", ["big"], ["y"], keepdims=0))
        yield graph(f"{name}.onnx", *nodes, constants=[constant("shape", shape)])
    doubled = [node("Concat", [f"c{n}", f"c{n}"], [f"c{n + 1}"], axis=1) for n in range(40)]
    first, last = node("Identity", ["x"], ["c0"]), node("ReduceMax", ["c40"], ["y"], keepdims=0)
    yield graph("doubling.onnx", first, *doubled, last)
    product = (
        node("Flatten", ["x"], ["flat"]),
        node("Transpose", ["flat"], ["turned"]),
        node("Resize", ["x", "", "scales"], ["big"]),
        node("ReduceMax", ["big"], ["y"], keepdims=0),
    )
    scales = constant("scales", [1, 1, 1 << 15, 1 << 15], "float32")
    yield graph("resize.onnx", *product, constants=[scales])
    padded = (node("Pad", ["x", "pads"], ["big"]), node("ReduceMax", ["big"], ["y"], keepdims=0))
    pads = constant("pads", [0, 0, 1 << 20, 1 << 20, 0, 0, 1 << 20, 1 << 20])
    yield graph("pad.onnx", *padded, constants=[pads])


def inputs() -> Iterator[Hostile]:
    """Inputs of sizes that no points have."""
    shapes = {
        **{f"batch-{n:g}": (n, *SHAPE) for n in (10**6, 2 * 10**9, 10**12, 2**62)},
        "negative": ("b", -1, -4, 4),
        "zero": ("b", 0, 4, 4),
        "none": (),
        "axes": ("b", *[1] * 30),
        "wide": ("b", 1, 1 << 20, 1 << 20),
        "tiny": (1, 1),
        "long": ("b", 1 << 40),
    }
    for name, shape in shapes.items():
        yield graph(f"input-{name}.onnx", *LINEAR, takes=[value("x", shape)], honest=True)


def types() -> Iterator[Hostile]:
    """Inputs of types that no points have, none of them, or many."""
    for kind in ("STRING", "BOOL", "COMPLEX64", "BFLOAT16", "FLOAT8E4M3FN", "UINT4", "UNDEFINED"):
        number = getattr(TensorProto, kind)
        cast = node("Cast", ["x"], ["z"], to=FLOAT)
        yield graph(f"input-{kind.lower()}.onnx", *behind(cast), takes=[value("x", INPUT, number)])
    typed = helper.make_tensor_type_proto(FLOAT, ["b", 16])
    wrapped = {
        "sequence": helper.make_sequence_type_proto(typed),
        "optional": helper.make_optional_type_proto(typed),
        "map": helper.make_map_type_proto(INT64, typed),
    }
    for name, proto in wrapped.items():
        taken = helper.make_value_info("x", proto)
        yield graph(f"input-{name}.onnx", *LINEAR, takes=[taken])
    for count in (0, 2, 500):
        takes = [value(f"x{n}") for n in range(count)]
        yield Hostile(f"inputs-{count}.onnx", partial(_many_inputs, takes=takes))


def _many_inputs(path: Path, takes: Sequence[object]) -> None:
    made = helper.make_graph([], "g", takes, [])
    path.write_bytes(helper.make_model(made).SerializeToString())


def outputs() -> Iterator[Hostile]:
    """Answers that are none."""
    wrong = {
        "nan": constant("c", np.nan, "float32"),
        "infinite": constant("c", np.inf, "float32"),
        "minus-infinite": constant("c", -np.inf, "float32"),
    }
    for name, found in wrong.items():
        nodes = (*LINEAR[:1], node("MatMul", ["flat", "w"], ["s"]), node("Mul", ["s", "c"], ["y"]))
        yield graph(f"output-{name}.onnx", *nodes, constants=[found])
    yield graph("output-one-row.onnx", node("ReduceMax", ["x"], ["y"], axes=[0], keepdims=1))
    yield graph("output-scalar.onnx", node("ReduceMax", ["x"], ["y"], keepdims=0))
    yield graph("output-points.onnx", node("Identity", ["x"], ["y"]), honest=True)
    yield graph("output-shape.onnx", node("Shape", ["x"], ["y"]), gives=[value("y", [4], INT64)])
    no_rows = (*LINEAR[:1], node("Slice", ["flat", "c", "c"], ["y"]))
    yield graph("output-no-rows.onnx", *no_rows, constants=[constant("c", [0])])
    text = (*LINEAR[:1], node("Cast", ["flat"], ["y"], to=TensorProto.STRING))
    yield graph("output-text.onnx", *text, gives=[value("y", ["b", 16], TensorProto.STRING)])
    for count in (50, 1000):
        nodes = [node("Identity", ["x"], [f"y{n}"]) for n in range(count)]
        gives = [value(f"y{n}") for n in range(count)]
        yield graph(f"outputs-{count}.onnx", *nodes, gives=gives, honest=True)
    wide = (*LINEAR[:1], node("Tile", ["flat", "times"], ["y"]))
    times = constant("times", [1, 6000])
    yield graph("output-100000-classes.onnx", *wide, constants=[times])


def structures() -> Iterator[Hostile]:
    """Graphs that make no sense."""
    yield graph("cycle.onnx", node("Add", ["x", "y"], ["z"]), node("Add", ["z", "x"], ["y"]))
    yield graph("itself.onnx", node("Add", ["x", "y"], ["y"]))
    yield graph("nothing.onnx", gives=[value("y")])
    yield graph("no-source.onnx", node("Add", ["x", "nowhere"], ["y"]))
    yield graph("twice.onnx", *LINEAR, node("MatMul", ["flat", "w"], ["y"]))
    for opset in (0, 1, 5, 99, 1 << 40):
        yield graph(f"opset-{opset:g}.onnx", *LINEAR, opset=opset, honest=True)
    for ir in (0, 1, 2, 99, 1 << 40):
        yield graph(f"ir-{ir:g}.onnx", *LINEAR, ir=ir, honest=True)
    for domain in ("com.example", "ai.onnx.contrib", "../../x", "com.microsoft"):
        own = node("Own", ["x"], ["z"], domain=domain)
        name = domain.replace("/", "-")
        yield graph(f"domain-{name}.onnx", *behind(own), domains=[domain])
    context = node("EPContext", ["x"], ["z"], domain="com.microsoft", ep_cache_context="../x")
    yield graph("ep-context.onnx", *behind(context), domains=["com.microsoft"])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    again = node("F", ["a"], ["r"], domain="own")
    itself = helper.make_function("own", "F", ["a"], ["r"], [again], opsets)
    called = node("F", ["x"], ["z"], domain="own")
    yield graph("recursive.onnx", *behind(called), domains=["own"], functions=[itself])
    pairs = [
        helper.make_function(
            "own",
            f"F{n}",
            ["a"],
            ["r"],
            [
                node(f"F{n + 1}", ["a"], ["m"], domain="own"),
                node(f"F{n + 1}", ["m"], ["r"], domain="own"),
            ],
            opsets,
        )
        for n in range(40)
    ]
    last = helper.make_function("own", "F40", ["a"], ["r"], [node("Neg", ["a"], ["r"])], opsets)
    called = node("F0", ["x"], ["z"], domain="own")
    yield graph("functions-2e40.onnx", *behind(called), domains=["own"], functions=[*pairs, last])
    chain = [node("Identity", [f"n{n}" if n else "x"], [f"n{n + 1}"]) for n in range(20_000)]
    yield graph(
        "nodes-20000.onnx", *behind(*chain, node("Identity", ["n20000"], ["z"])), honest=True
    )
    for name, index in (("far", 1 << 40), ("negative", -(1 << 40))):
        gathered = (*LINEAR[:1], node("Gather", ["flat", "i"], ["y"], axis=1))
        yield graph(f"gather-{name}.onnx", *gathered, constants=[constant("i", [index])])


def names() -> Iterator[Hostile]:
    """Names that a terminal or a page obeys."""
    odd = {
        "escape": "\x1b[2J\x1b]0;owned\x07",
        "turned": "\u202egnp.xno\u2066",
        "lines": "a\nREPORT: homologous\n",
        "markup": "[red]x[/red]</script><script>alert(1)</script>",
        "long": "n" * (1 << 20),
        "empty": "",
        "nul": "a\x00b",
    }
    for name, text in odd.items():
        nodes = (*LINEAR[:1], node("MatMul", ["flat", "w"], [text], name=text))
        gives = [value(text, ["b", 5])]
        yield graph(f"name-{name}.onnx", *nodes, gives=gives, honest=True)


def no_names() -> Iterator[Hostile]:
    """Names that are no text."""
    for place in ("input", "output", "node", "operator", "weights"):
        yield Hostile(f"bad-utf8-{place}.onnx", partial(_no_text, place=place), honest=True)


def _no_text(path: Path, place: str) -> None:
    mark = "QQQQ"
    x, y, w, op = (
        mark if place == p else d
        for p, d in (("input", "x"), ("output", "y"), ("weights", "w"), ("operator", "MatMul"))
    )
    nodes = [
        node("Flatten", [x], ["flat"]),
        node(op, ["flat", w], [y], name=mark if place == "node" else "n"),
    ]
    made = helper.make_graph(
        nodes, "g", [value(x)], [value(y, ["b", 5])], [numpy_helper.from_array(COPY, w)]
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString().replace(b"QQQQ", b"\xff\xfe\x80Q"))
