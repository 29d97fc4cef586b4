"""One of the other engines as a process that measures on request.

    peer.py onnxruntime|openvino

First prints {"version"}, then answers JSON lists, one a line on standard input, with one JSON
object each:

    ["shape", FILE.onnx]                                        {"shape"} of its input, 224 where it is open
    ["measure", FILE.onnx, BATCH, THREADS, f32|bf16, SECONDS]   {"best", "median", "precision"}: images per second
    ["output", FILE.onnx, THREADS, FILE.npy]                    {"output"} of one network input, in f32

A graph's first output counts. What was compiled last stays ready, so that taking turns
costs nothing.
"""

import json
import os
import signal
import statistics
import sys
import time

import numpy as np


class ONNXRuntime:
    def __init__(self):
        import onnxruntime

        self.ort, self.version = onnxruntime, onnxruntime.__version__

    def compile(self, path, batch, threads, precision):
        """Returns run(x) and the precision it computes in."""
        if precision != "f32":
            raise ValueError("ONNX Runtime has no " + precision + " on this kind of machine")
        o = self.ort.SessionOptions()
        o.intra_op_num_threads = threads
        o.inter_op_num_threads = 1
        o.execution_mode = self.ort.ExecutionMode.ORT_SEQUENTIAL
        o.graph_optimization_level = self.ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        name, shape, names = graph_input(path, batch)
        for axis, size in names.items():
            o.add_free_dimension_override_by_name(axis, size)
        session = self.ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
        output = session.get_outputs()[0].name
        return lambda x: session.run([output], {name: x})[0], "f32"


class OpenVINO:
    def __init__(self):
        import openvino

        self.version = openvino.get_version().split("-")[0]
        self.core = openvino.Core()

    def compile(self, path, batch, threads, precision):
        model = self.core.read_model(path)
        model.reshape(graph_input(path, batch)[1])
        compiled = self.core.compile_model(model, "CPU", {
            "INFERENCE_PRECISION_HINT": precision,
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        })
        request = compiled.create_infer_request()
        actual = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()

        def run(x):
            return request.infer({0: x}, share_inputs=True, share_outputs=True)[0]

        return run, {"f32": "f32", "bf16": "bf16"}.get(actual, actual)


def graph_input(path, batch):
    """The name of a graph's input, its shape at a batch, and the sizes of its open axes by name."""
    import onnx

    graph = onnx.load(path, load_external_data=False).graph
    known = {t.name for t in graph.initializer}
    x = next(i for i in graph.input if i.name not in known)
    dims = x.type.tensor_type.shape.dim
    shape = [batch] + [d.dim_value or 224 for d in dims[1:]]
    return x.name, shape, {d.dim_param: n for d, n in zip(dims, shape) if d.dim_param}


def measure(run, shape, seconds):
    """Images per second of each pass, as 'cwox bench model' does it: one to warm up, then at
    least three, until the time is over."""
    x = np.random.default_rng(1).uniform(-2, 2, shape).astype(np.float32)
    run(x)
    rates, end = [], time.perf_counter() + seconds
    while len(rates) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run(x)
        rates.append(shape[0] / (time.perf_counter() - start))
    return {"best": max(rates), "median": statistics.median(rates)}


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends compare.py, and that ends this
    engine = {"onnxruntime": ONNXRuntime, "openvino": OpenVINO}[sys.argv[1]]()
    ready = {"key": None}

    def compiled(path, batch, threads, precision):
        key = (path, batch, threads, precision)
        if ready["key"] != key:
            ready.clear()  # free the old one first
            ready["run"], ready["precision"] = engine.compile(path, batch, threads, precision)
            ready["key"] = key
        return ready["run"]

    def answer(kind, path, *more):
        if kind == "shape":
            return {"shape": graph_input(path, 1)[1]}
        if kind == "measure":
            batch, threads, precision, seconds = more
            run = compiled(path, batch, threads, precision)
            return {**measure(run, graph_input(path, batch)[1], seconds), "precision": ready["precision"]}
        threads, npy = more
        return {"output": compiled(path, 1, threads, "f32")(np.load(npy)).ravel().tolist()}

    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the engines print must not come between the answers
    print(json.dumps({"version": engine.version}), file=out, flush=True)
    for line in sys.stdin:
        try:
            result = answer(*json.loads(line))
        except Exception as e:  # the other side decides what to do about it
            result = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(result), file=out, flush=True)


if __name__ == "__main__":
    main()
