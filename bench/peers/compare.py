"""Takes turns between cwox, ONNX Runtime and OpenVINO. Started by bench/peers/run."""

import argparse
import json
import os
import statistics
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
MACS = {"resnet50": 4.09e9, "googlenet": 1.50e9}  # known, within 1 %


def main():
    args = flags()
    if args.check:
        return
    import models  # only now: --help and --check must work outside the virtual environment

    ours = json.loads(subprocess.run([args.cwox, "version", "--json"], check=True, capture_output=True, env=environment(args)).stdout)
    for model in set(args.models) & set(MACS):
        macs = models.build(model, args.scratch)
        if abs(macs / MACS[model] - 1) > 0.01:
            sys.exit(f"{model}.onnx: {macs / 1e9:.3f} G multiply-adds an image, want {MACS[model] / 1e9:.2f} G")
    peers = {name: Peer(name, args) for name in args.peers}
    try:
        for model in args.models:
            check(model, peers, args)
        head = {
            "what": "peers", "cpu": ours["cpu"]["name"], "cores": len(os.sched_getaffinity(0)), "kernel": ours["kernel"],
            "versions": {"cwox": ours["version"], "go": ours["go"], **{n: p.version for n, p in peers.items()}},
            "rounds": args.rounds, "seconds": args.seconds, "isa": args.isa or "best",
        }
        records = measure(peers, args)
    finally:
        for p in peers.values():
            p.close()
    out = open(args.json, "w") if args.json else sys.stdout
    print_table(head, records, args)
    if not args.json:
        print()
    for r in [head, *records, *summaries(records)]:
        print(json.dumps(r), file=out)


def flags():
    p = argparse.ArgumentParser(prog="bench/peers/run", description="Compare cwox with ONNX Runtime and OpenVINO on this machine.")
    words = lambda s: s.split(",")
    numbers = lambda s: [int(w) for w in s.split(",")]
    cores = len(os.sched_getaffinity(0))
    p.add_argument("--quick", action="store_true", help="all threads only, batches 1 and 8, two short rounds")
    p.add_argument("--json", metavar="FILE", help="write the JSON lines to a file instead of after the table")
    p.add_argument("--models", type=words, help="of resnet50,googlenet; default both, with --onnx none")
    p.add_argument("--onnx", metavar="FILE", nargs="+", default=[], help="any classifier in a file, with the weights it has")
    p.add_argument("--peers", type=words, default=["onnxruntime", "openvino"], help="of onnxruntime,openvino")
    p.add_argument("--precisions", type=words, help="of f32,bf16; default both, with --isa avx2 f32")
    p.add_argument("--threads", type=numbers, help=f"default {cores},1")
    p.add_argument("--batches", type=numbers, help="default 1,8,16,32; on one of several threads 1,8")
    p.add_argument("--rounds", type=int, help="turns of each engine, default 3")
    p.add_argument("--seconds", type=float, help="of each turn, default 2")
    p.add_argument("--isa", choices=["avx2", "avx512"], help="limit cwox and OpenVINO to these instructions (ONNX Runtime cannot be limited)")
    p.add_argument("--check", action="store_true", help=argparse.SUPPRESS)  # the flags only
    p.add_argument("--cwox", help=argparse.SUPPRESS)
    p.add_argument("--scratch", help=argparse.SUPPRESS)
    a = p.parse_args()
    a.precisions = a.precisions or (["f32"] if a.isa == "avx2" else ["f32", "bf16"])
    a.models = a.models or ([] if a.onnx else list(MACS))
    for name, allowed in ("models", MACS), ("peers", ["onnxruntime", "openvino"]), ("precisions", ["f32", "bf16"]):
        for word in getattr(a, name):
            if word not in allowed:
                p.error(f"--{name} {word}: want some of {','.join(allowed)}")
    a.rounds = a.rounds or (2 if a.quick else 3)
    a.seconds = a.seconds or (1 if a.quick else 2)
    a.threads = a.threads or ([cores] if a.quick or cores == 1 else [cores, 1])
    if min(a.threads + (a.batches or [1]) + [a.rounds]) < 1 or a.seconds <= 0:
        p.error("--threads, --batches, --rounds and --seconds: want positive numbers")
    for path in a.onnx:
        if not os.path.isfile(path):
            p.error(f"--onnx {path}: no such file")
    a.models += map(os.path.abspath, a.onnx)
    return a


def name(model):
    """What a model is called: one of ours, or a file."""
    return model if model in MACS else os.path.basename(model)


def onnx_file(args, model):
    """What the other engines read."""
    return os.path.join(args.scratch, model + ".onnx") if model in MACS else model


def weights(args, model):
    """What cwox reads: for one of our models the builder of that name, so that it needs no graph."""
    if model in MACS:
        return ["--model", model, "--weights", os.path.join(args.scratch, model + ".safetensors")]
    return ["--weights", model]


def environment(args):
    """The environment of all engines."""
    env = dict(os.environ)
    if args.isa:
        env["CWOX_ISA"] = args.isa
        env["ONEDNN_MAX_CPU_ISA"] = {"avx2": "AVX2", "avx512": "AVX512_CORE"}[args.isa]
    return env


class Unable(Exception):
    """An engine cannot do what it was asked for."""


class Peer:
    """Another engine's process."""

    def __init__(self, name, args):
        self.name = name
        self.process = subprocess.Popen([sys.executable, os.path.join(HERE, "peer.py"), name],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(args))
        self.version = self.read()["version"]

    def ask(self, *question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name}: ended unexpectedly, exit code {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise Unable(f"{self.name}: {' '.join(answer['error'].split())}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def check(model, peers, args):
    """All engines must compute the same network: they get one input, smooth and of the size of
    normalised pictures, and their outputs are compared."""
    import numpy as np

    shape = next(iter(peers.values())).ask("shape", onnx_file(args, model))["shape"]
    coarse = np.random.default_rng(2).uniform(-2, 2, [1] + [-(-n // 8) if n > 8 else n for n in shape[1:]])
    x = coarse
    for axis, n in enumerate(shape[1:], 1):
        x = x.repeat(8, axis) if n > 8 else x
    x = np.ascontiguousarray(x[tuple(slice(n) for n in (1, *shape[1:]))], np.float32)
    npy, tensor = os.path.join(args.scratch, "input.npy"), os.path.join(args.scratch, "input.safetensors")
    np.save(npy, x)
    head = json.dumps({"x": {"dtype": "F32", "shape": x.shape, "data_offsets": [0, x.nbytes]}}).encode()
    with open(tensor, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + x.tobytes())
    outputs = {p.name: np.array(p.ask("output", onnx_file(args, model), 1, npy)["output"]) for p in peers.values()}
    classes = len(next(iter(outputs.values())))
    command = [args.cwox, "classify", "--json", "--quiet", "--top", str(classes), *weights(args, model), "--tensor", tensor]
    top = json.loads(subprocess.run(command, check=True, capture_output=True, env=environment(args)).stdout)["top"]
    for peer, got in outputs.items():
        # A graph may end with its probabilities.
        field, values = ("probability", "probabilities") if got.min() >= 0 and got.max() <= 1 else ("logit", "logits")
        want = np.zeros(len(top))
        for t in top:
            want[t["class"]] = t[field]
        if got.shape != want.shape:
            sys.exit(f"{name(model)}: {peer} gives {got.shape} numbers, cwox {want.shape}")
        off = abs(got - want).max() / want.std()
        print(f"{name(model)}: cwox and {peer} differ by {off:.1e} standard deviations of {classes} {values}", file=sys.stderr)
        if not off < 1e-3:
            sys.exit(f"{name(model)}: cwox and {peer} do not compute the same network")


def measure(peers, args):
    """One record for each engine, model, precision, number of threads and batch."""
    records = []
    for model in args.models:
        for precision in args.precisions:
            # Without Winograd's transforms all engines do the same multiplications.
            engines = {"cwox": lambda *a: ours(args, *a)}
            if precision == "f32":
                engines["cwox-direct"] = lambda *a: ours(args, *a, "--direct")
            for peer, p in peers.items():
                if precision == "f32" or peer == "openvino":
                    engines[peer] = lambda model, *a, p=p: p.ask("measure", onnx_file(args, model), *a, args.seconds)
            for threads in args.threads:
                for batch in args.batches or ([1, 8] if args.quick or threads < max(args.threads) else [1, 8, 16, 32]):
                    config = {"model": name(model), "precision": precision, "threads": threads, "batch": batch}
                    rounds = {engine: [] for engine in engines}
                    for _ in range(args.rounds):
                        for engine in list(rounds):
                            try:
                                answer = engines[engine](model, batch, threads, precision)
                                if answer["precision"] != precision:
                                    raise Unable(f"{engine}: computes {name(model)} in {answer['precision']} on this machine, not in {precision}")
                                rounds[engine].append(answer)
                            except Unable as e:
                                print(f"left out: {e}", file=sys.stderr)
                                del rounds[engine], engines[engine]
                    for engine, answers in rounds.items():
                        records.append({
                            "what": "model", "engine": engine, **config,
                            "images_per_second": {
                                "best": round(max(a["best"] for a in answers), 3),
                                "median": round(statistics.median(a["median"] for a in answers), 3)},
                            "medians": [round(a["median"], 3) for a in answers]})
                    print(f"{name(model)} {precision} {threads} threads batch {batch}: " + ", ".join(
                        f"{r['engine']} {r['images_per_second']['median']:.1f}" for r in records[len(records) - len(rounds):]), file=sys.stderr)
    return records


def ours(args, model, batch, threads, precision, *more):
    command = [args.cwox, "bench", "model", "--json", "--batch", str(batch), "--threads", str(threads),
               "--precision", precision, "--seconds", str(args.seconds), *weights(args, model), *more]
    r = json.loads(subprocess.run(command, check=True, capture_output=True, env=environment(args)).stdout)
    return {**r["images_per_second"], "precision": r["precision"]}


def summaries(records):
    """How cwox and cwox-direct compare with the fastest peer: at each batch, and each engine
    at its best batch. A ratio is the median over the rounds where there is one batch, else
    that of the medians."""
    out = []
    groups = {}
    for r in records:
        groups.setdefault((r["model"], r["precision"], r["threads"]), []).append(r)
    for (model, precision, threads), some in groups.items():
        config = {"what": "ratio", "model": model, "precision": precision, "threads": threads}
        batches = list(dict.fromkeys(r["batch"] for r in some))
        for batch in batches + (["best"] if len(batches) > 1 else []):
            best = {}
            for r in some:
                old = best.get(r["engine"])
                if batch in (r["batch"], "best") and (not old or median(r) > median(old)):
                    best[r["engine"]] = r
            others = [n for n in best if not n.startswith("cwox")]
            if not others:
                continue
            fastest = max(others, key=lambda n: median(best[n]))
            line = {**config, "batch": batch, "engines": {n: {"batch": r["batch"], "median": median(r)} for n, r in best.items()}, "fastest_peer": fastest}
            for engine, field in ("cwox", "ratio"), ("cwox-direct", "ratio_direct"):
                if engine in best:
                    pairs = zip(best[engine]["medians"], best[fastest]["medians"])
                    ratio = median(best[engine]) / median(best[fastest]) if batch == "best" else statistics.median(a / b for a, b in pairs)
                    line[field] = round(ratio, 4)
            out.append(line)
    return out


def median(record):
    return record["images_per_second"]["median"]


def print_table(head, records, args):
    versions = ", ".join(f"{n} {v}" for n, v in head["versions"].items())
    print(f"{head['cpu']}, {head['cores']} cores; cwox kernels: {head['kernel']}; instructions: {head['isa']}")
    print(versions)
    print(f"images per second, medians of {head['rounds']} turns of {head['seconds']:g} s; best: each engine at its best batch, in brackets")
    print("ratio: cwox / the faster of the others; direct: cwox without Winograd's transforms / the same")
    names = list(dict.fromkeys(r["engine"] for r in records))
    print()
    width = max(10, *(len(name(m)) for m in args.models))
    print(f"{'model':<{width}} {'prec':<5} {'threads':>7} {'batch':>5}" + "".join(f" {n:>12}" for n in names) + "   ratio  direct")
    for s in summaries(records):
        cells = ""
        for n in names:
            e = s["engines"].get(n)
            text = "-" if not e else f"{e['median']:.1f}" + (f" ({e['batch']})" if s["batch"] == "best" else "")
            cells += f" {text:>12}"
        ratios = "".join(f"  {s[f]:6.2f}" if f in s else "       -" for f in ("ratio", "ratio_direct"))
        print(f"{s['model']:<{width}} {s['precision']:<5} {s['threads']:>7} {s['batch']:>5}{cells}{ratios}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
    except Unable as e:
        sys.exit(str(e))
    except subprocess.CalledProcessError as e:
        sys.exit(f"{' '.join(e.cmd)}: exit code {e.returncode}: {e.stderr.decode(errors='replace').strip()}")
