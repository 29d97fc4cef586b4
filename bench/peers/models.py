"""ResNet-50 v1.5 and torchvision's GoogLeNet with random weights, for all engines.

build(name, folder) writes name.onnx (batch dimension "N", batch normalisation as nodes of
its own, for the engines to fold) and name.safetensors (torchvision's parameter names), and
returns the number of multiply-adds of one image. The weights depend on names and shapes
alone, and are scaled so that activations neither vanish nor explode.
"""

import json
import math
import os
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIZE, CLASSES = 224, 1000
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Value:
    """The output of a node: its name, channels and side length."""

    def __init__(self, name, channels, side):
        self.name, self.channels, self.side = name, channels, side


class Net:
    """A network under construction."""

    def __init__(self):
        self.nodes, self.params, self.constants, self.macs = [], {}, {}, 0

    def node(self, op, inputs, channels, side, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return Value(name, channels, side)

    def param(self, name, *shape):
        rng = np.random.default_rng(zlib.crc32(name.encode()))
        u = rng.random(shape, dtype=np.float32)
        if len(shape) > 1:
            x = (u - 0.5) * np.float32(math.sqrt(24 / math.prod(shape[1:])))
        elif name.endswith((".bias", ".running_mean")):
            x = (u - 0.5) / 4
        elif name.endswith(".bn3.weight"):  # ends a residual branch
            x = (u + 0.5) / 4
        else:
            x = u + 0.5
        self.params[name] = x
        return name

    def constant(self, name, values):
        self.constants[name] = np.asarray(values, np.float32).reshape(1, -1, 1, 1)
        return name

    def conv(self, name, x, out, k, stride=1, pad=0):
        side = (x.side + 2 * pad - k) // stride + 1
        self.macs += out * x.channels * k * k * side * side
        w = self.param(name + ".weight", out, x.channels, k, k)
        return self.node("Conv", [x.name, w], out, side, kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4)

    def norm(self, name, x, eps):
        p = [self.param(f"{name}.{p}", x.channels) for p in ("weight", "bias", "running_mean", "running_var")]
        return self.node("BatchNormalization", [x.name, *p], x.channels, x.side, epsilon=eps)

    def relu(self, x):
        return self.node("Relu", [x.name], x.channels, x.side)

    def max_pool(self, x, k, stride, pad=0, ceil=False):
        rounded = math.ceil if ceil else math.floor
        side = rounded((x.side + 2 * pad - k) / stride) + 1
        return self.node("MaxPool", [x.name], x.channels, side,
                         kernel_shape=[k, k], strides=[stride] * 2, pads=[pad] * 4, ceil_mode=int(ceil))

    def head(self, x):
        self.macs += CLASSES * x.channels
        y = self.node("GlobalAveragePool", [x.name], x.channels, 1)
        y = self.node("Flatten", [y.name], x.channels, 1)
        w, b = self.param("fc.weight", CLASSES, x.channels), self.param("fc.bias", CLASSES)
        self.nodes.append(helper.make_node("Gemm", [y.name, w, b], ["logits"], transB=1))


def resnet50(net):
    x = net.relu(net.norm("bn1", net.conv("conv1", Value("x", 3, SIZE), 64, 7, 2, 3), 1e-5))
    x = net.max_pool(x, 3, 2, 1)
    for stage, blocks in enumerate((3, 4, 6, 3), 1):
        for i in range(blocks):
            name, width, stride = f"layer{stage}.{i}", 32 << stage, 2 if stage > 1 and i == 0 else 1
            shortcut = x
            if i == 0:
                shortcut = net.conv(name + ".downsample.0", x, 4 * width, 1, stride)
                shortcut = net.norm(name + ".downsample.1", shortcut, 1e-5)
            y = net.relu(net.norm(name + ".bn1", net.conv(name + ".conv1", x, width, 1), 1e-5))
            y = net.relu(net.norm(name + ".bn2", net.conv(name + ".conv2", y, width, 3, stride, 1), 1e-5))
            y = net.norm(name + ".bn3", net.conv(name + ".conv3", y, 4 * width, 1), 1e-5)
            x = net.relu(net.node("Add", [y.name, shortcut.name], y.channels, y.side))
    net.head(x)


def googlenet(net):
    def unit(name, x, out, k, stride=1, pad=0):
        return net.relu(net.norm(name + ".bn", net.conv(name + ".conv", x, out, k, stride, pad), 1e-3))

    # torchvision's transform_input: to inputs in -1..1.
    x = net.node("Mul", ["x", net.constant("scale", [s / 0.5 for s in STD])], 3, SIZE)
    x = net.node("Add", [x.name, net.constant("shift", [(m - 0.5) / 0.5 for m in MEAN])], 3, SIZE)
    x = unit("conv1", x, 64, 7, 2, 3)
    x = net.max_pool(x, 3, 2, ceil=True)
    x = unit("conv2", x, 64, 1)
    x = unit("conv3", x, 192, 3, 1, 1)
    x = net.max_pool(x, 3, 2, ceil=True)
    # 1x1; 3x3 reduce, 3x3; "5x5" reduce, "5x5" (3x3 in torchvision); projection of the pool.
    for block, b1, b2r, b2, b3r, b3, b4 in (
        ("3a", 64, 96, 128, 16, 32, 32), ("3b", 128, 128, 192, 32, 96, 64),
        ("4a", 192, 96, 208, 16, 48, 64), ("4b", 160, 112, 224, 24, 64, 64),
        ("4c", 128, 128, 256, 24, 64, 64), ("4d", 112, 144, 288, 32, 64, 64),
        ("4e", 256, 160, 320, 32, 128, 128), ("5a", 256, 160, 320, 32, 128, 128),
        ("5b", 384, 192, 384, 48, 128, 128),
    ):
        name = "inception" + block
        branches = (
            unit(name + ".branch1", x, b1, 1),
            unit(name + ".branch2.1", unit(name + ".branch2.0", x, b2r, 1), b2, 3, 1, 1),
            unit(name + ".branch3.1", unit(name + ".branch3.0", x, b3r, 1), b3, 3, 1, 1),
            unit(name + ".branch4.1", net.max_pool(x, 3, 1, 1, ceil=True), b4, 1),
        )
        x = net.node("Concat", [b.name for b in branches], sum(b.channels for b in branches), x.side, axis=1)
        if block == "3b":
            x = net.max_pool(x, 3, 2, ceil=True)
        if block == "4e":
            x = net.max_pool(x, 2, 2, ceil=True)
    net.head(x)


MODELS = {"resnet50": resnet50, "googlenet": googlenet}


def build(name, folder):
    net = Net()
    MODELS[name](net)
    initializers = [numpy_helper.from_array(x, n) for n, x in {**net.params, **net.constants}.items()]
    graph = helper.make_graph(
        net.nodes, name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, SIZE, SIZE])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", CLASSES])],
        initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)  # with shape inference
    onnx.save(model, os.path.join(folder, name + ".onnx"))
    save_safetensors(os.path.join(folder, name + ".safetensors"), net.params)
    return net.macs


def save_safetensors(path, tensors):
    header, at = {}, 0
    for name, x in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(x.shape), "data_offsets": [at, at + x.nbytes]}
        at += x.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for x in tensors.values():
            f.write(x.astype("<f4").tobytes())
