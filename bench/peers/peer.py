"""One of the other engines as a process that measures on request.

    peer.py onnxruntime|openvino FOLDER

First prints {"version"}, then answers lines on standard input, one JSON object each:

    measure MODEL BATCH THREADS f32|bf16 SECONDS    {"best", "median", "precision"}: images per second
    logits MODEL THREADS FILE.npy                   {"logits"} of one network input [1][3][224][224], in f32

The network is FOLDER/MODEL.onnx. What was compiled last stays ready, so that taking turns
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
        o.add_free_dimension_override_by_name("N", batch)
        session = self.ort.InferenceSession(path, o, providers=["CPUExecutionProvider"])
        return lambda x: session.run(None, {"x": x})[0], "f32"


class OpenVINO:
    def __init__(self):
        import openvino

        self.version = openvino.get_version().split("-")[0]
        self.core = openvino.Core()

    def compile(self, path, batch, threads, precision):
        model = self.core.read_model(path)
        model.reshape([batch, 3, 224, 224])
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


def measure(run, batch, seconds):
    """Images per second of each pass, as 'cwox bench model' does it: one to warm up, then at
    least three, until the time is over."""
    x = np.random.default_rng(1).uniform(-2, 2, (batch, 3, 224, 224)).astype(np.float32)
    run(x)
    rates, end = [], time.perf_counter() + seconds
    while len(rates) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run(x)
        rates.append(batch / (time.perf_counter() - start))
    return {"best": max(rates), "median": statistics.median(rates)}


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends compare.py, and that ends this
    engine = {"onnxruntime": ONNXRuntime, "openvino": OpenVINO}[sys.argv[1]]()
    folder = sys.argv[2]
    ready = {"key": None}

    def compiled(model, batch, threads, precision):
        key = (model, batch, threads, precision)
        if ready["key"] != key:
            ready.clear()  # free the old one first
            ready["run"], ready["precision"] = engine.compile(os.path.join(folder, model + ".onnx"), batch, threads, precision)
            ready["key"] = key
        return ready["run"]

    def answer(kind, *words):
        if kind == "measure":
            model, batch, threads, precision, seconds = words
            run = compiled(model, int(batch), int(threads), precision)
            return {**measure(run, int(batch), float(seconds)), "precision": ready["precision"]}
        model, threads, path = words
        return {"logits": compiled(model, 1, int(threads), "f32")(np.load(path))[0].tolist()}

    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever the engines print must not come between the answers
    print(json.dumps({"version": engine.version}), file=out, flush=True)
    for line in sys.stdin:
        try:
            result = answer(*line.split())
        except Exception as e:  # the other side decides what to do about it
            result = {"error": f"{type(e).__name__}: {e}"}
        print(json.dumps(result), file=out, flush=True)


if __name__ == "__main__":
    main()
