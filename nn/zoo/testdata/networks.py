"""Writes networks.json.gz and statedicts.txt.gz beside it: what torchvision and timm say.

    python networks.py        (torch, torchvision, timm; the versions are in the files)

networks.json.gz: networks of few channels, one of each form that differs in arithmetic or names.
Their parameters are formulas of their names and indices (formulaParam in formula_test.go), so
are their inputs (picture in spelling_test.go); logits, the input's gradient and Grad-CAM maps
are computed in float64.

statedicts.txt.gz: names and shapes of the published networks.
"""

import copy
import functools
import gzip
import json
import os
import re
import warnings

import numpy as np
import timm
import torch
import torchvision
from timm.models import efficientnet as te, mobilenetv3 as tm, resnet as tr, senet as ts, vgg as tv
from torch import nn
from torchvision import models as M
from torchvision.models import efficientnet as E, mobilenetv3 as V3, squeezenet as S
from torchvision.models.vgg import make_layers

warnings.filterwarnings("ignore")
CLASSES = 7
nn.functional.relu = lambda x, inplace=False: torch.relu(x)  # in place, activations would be lost
for _name in dir(nn.init):  # every parameter is a formula: the usual ones take long
    if _name.endswith("_") and not _name.startswith("_"):
        setattr(nn.init, _name, lambda tensor, *args, **more: tensor)


def splitmix64(x):
    with np.errstate(over="ignore"):
        x = x + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ x >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ x >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
        return x ^ x >> np.uint64(31)


def unit(start, n):
    """n numbers from 0 to 1, multiples of 2^-24."""
    with np.errstate(over="ignore"):
        bits = splitmix64(np.uint64(start) + np.arange(n, dtype=np.uint64)) >> np.uint64(40)
    return bits.astype(np.float32) * np.float32(2**-24)


def formula(name, shape):
    h = 0xCBF29CE484222325
    for c in ("cwox/" + name).encode():
        h = (h ^ c) * 0x100000001B3 % 2**64
    n = int(np.prod(shape))
    u = unit(h, n)
    if len(shape) >= 2:
        x = (u - np.float32(0.5)) * np.float32(np.sqrt(24 / (n / shape[0])))
    elif name.endswith(".running_var"):
        x = u + np.float32(0.5)
    elif name.endswith((".running_mean", ".bias")):
        x = (u - np.float32(0.5)) * np.float32(0.25)
    else:
        x = u + np.float32(0.5)
        if name.endswith(".bn3.weight"):
            x = x * np.float32(0.25)
    return torch.from_numpy(x.reshape(shape))


def state(model, rename=lambda n: n):
    return {rename(k): tuple(v.shape) for k, v in model.state_dict().items() if not k.endswith("num_batches_tracked")}


def golden(case):
    model, rename = case["model"], case.get("rename", lambda n: n)
    shapes = state(model, rename)
    own = model.state_dict()
    model.load_state_dict({k: v if k.endswith("num_batches_tracked") else formula(rename(k), tuple(v.shape)) for k, v in own.items()})
    model.eval()
    for m in model.modules():
        if hasattr(m, "inplace"):
            m.inplace = False
    kept = {}
    modules = dict(model.named_modules())
    for theirs in case["layers"]:
        modules[theirs].register_forward_hook(functools.partial(lambda name, m, i, o: kept.__setitem__(name, o), theirs))
    side = case["side"]

    def run(dtype):
        x = (unit(0, 3 * side * side).astype(np.float64) * 4 - 2).reshape(1, 3, side, side)
        x = torch.from_numpy(x).to(dtype).requires_grad_()
        logits = model.to(dtype)(x)[0]
        top = int(logits.argmax())
        grads = torch.autograd.grad(logits[top], [x] + [kept[n] for n in case["layers"]])
        maps = []
        for name, g in zip(case["layers"], grads[1:]):
            a = kept[name][0].detach()
            maps.append((g[0].mean((1, 2))[:, None, None] * a).sum(0))
        return logits.detach(), top, grads[0][0], maps

    single = run(torch.float32)
    logits, top, gx, maps = run(torch.float64)
    off = lambda a, b: float((a - b).abs().max() / b.abs().max())
    single_off = max([off(single[0], logits), off(single[2], gx)] + [off(a, b) for a, b in zip(single[3], maps)])
    return {
        "name": case["name"], "arch": case["arch"], "model": case.get("spec", ""), "config": case.get("config", ""), "side": side,
        "state": [f"{k} {','.join(map(str, v))}" for k, v in shapes.items()],
        "logits": [float(f"{v:.9g}") for v in logits.tolist()],
        "class": top,
        "float32": float(f"{single_off:.2g}"),  # largest relative difference of what PyTorch gives in float32
        "input_gradient": {"sum": [float(f"{v:.9g}") for v in gx.sum((1, 2)).tolist()], "abs_sum": [float(f"{v:.9g}") for v in gx.abs().sum((1, 2)).tolist()]},
        "gradcam": [[[float(f"{v:.7g}") for v in row] for row in m.tolist()] for m in maps],
    }


def heads(model, sizes, at):
    """A narrow classifier in place of the published one."""
    for i, (a, b) in zip(at, zip(sizes, sizes[1:])):
        model.classifier[i] = nn.Linear(a, b)
    return model


def vgg(norm):
    cfg = [4, "M", 8, "M", 8, 8, "M", 12, 12, "M", 12, 12, "M"]
    return heads(M.VGG(make_layers(cfg, norm), num_classes=CLASSES), [12 * 49, 16, 16, CLASSES], [0, 3, 6])


def timm_vgg():
    m = tv.VGG([4, "M", 8, "M", 8, 8, "M", 12, 12, "M", 12, 12, "M"], num_classes=CLASSES)
    m.pre_logits.fc1, m.pre_logits.fc2, m.head.fc = nn.Conv2d(12, 16, 7), nn.Conv2d(16, 16, 1), nn.Linear(16, CLASSES)
    return m


def alexnet():
    m = M.AlexNet(num_classes=CLASSES)
    width = [3, 8, 12, 16, 12, 12]
    for i, at in enumerate([0, 3, 6, 8, 10]):
        c = m.features[at]
        m.features[at] = nn.Conv2d(width[i], width[i + 1], c.kernel_size, c.stride, c.padding)
    return heads(m, [12 * 36, 16, 16, CLASSES], [1, 4, 6])


def squeezenet(version):
    m = M.SqueezeNet(version, num_classes=CLASSES)
    c = m.features[0]
    m.features[0] = nn.Conv2d(3, 8, c.kernel_size, c.stride)
    before = 8
    for i, f in enumerate(m.features):
        if isinstance(f, S.Fire):
            m.features[i] = S.Fire(before, 8 + i % 3, 10, 12)
            before = 22
    m.classifier[1] = nn.Conv2d(before, CLASSES, 1)
    return m


def densenet():
    m = M.DenseNet(growth_rate=4, block_config=(2, 3, 2, 2), num_init_features=8, bn_size=2, num_classes=CLASSES)
    m.features.add_module("relu5", nn.ReLU())  # of forward, which it hides from hooks
    m.forward = lambda x: m.classifier(m.features(x).mean((2, 3)))
    return m


def efficientnet(width, eps=1e-5):
    setting, last = E._efficientnet_conf("efficientnet_b0", width_mult=width, depth_mult=0.4)
    return E.EfficientNet(setting, 0.0, num_classes=CLASSES, last_channel=last, norm_layer=functools.partial(nn.BatchNorm2d, eps=eps))


def efficientnet_v2():
    F, B = E.FusedMBConvConfig, E.MBConvConfig
    setting = [F(1, 3, 1, 8, 8, 2), F(4, 3, 2, 8, 12, 1), F(4, 3, 2, 12, 16, 1), B(4, 3, 2, 16, 24, 2), B(6, 3, 1, 24, 32, 1), B(6, 3, 2, 32, 40, 1)]
    return E.EfficientNet(setting, 0.0, num_classes=CLASSES, last_channel=64, norm_layer=functools.partial(nn.BatchNorm2d, eps=1e-3))


def mobilenet_v3(arch):
    setting, last = V3._mobilenet_v3_conf(arch, width_mult=0.25)
    return V3.MobileNetV3(setting, last, num_classes=CLASSES)


def se_resnet(block, **more):
    return tr.ResNet(block, layers=[1, 2, 1, 1], channels=(8, 12, 16, 24), num_classes=CLASSES, block_args=dict(attn_layer="se"), **more)


def legacy(block, groups, **more):
    return ts.SENet(block, [1, 1, 1, 1], groups=groups, reduction=16, num_classes=CLASSES, inplanes=64, input_3x3=False, downsample_kernel_size=1, downsample_padding=0, drop_rate=0.0, **more)


def lukemelas(name):
    """timm's name of a layer as the package efficientnet_pytorch has it."""
    name = re.sub(r"^conv_stem", "_conv_stem", re.sub(r"^bn1", "_bn0", re.sub(r"^conv_head", "_conv_head", re.sub(r"^bn2", "_bn1", re.sub(r"^classifier", "_fc", name)))))
    m = re.match(r"blocks\.(\d+)\.(\d+)\.(.*)", name)
    if not m:
        return name
    stage, block, rest = int(m[1]), int(m[2]), m[3]
    first = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    others = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1", "conv_pwl": "_project_conv", "bn3": "_bn2"}
    layer, param = rest.rsplit(".", 1)
    layer = {"se.conv_reduce": "_se_reduce", "se.conv_expand": "_se_expand"}.get(layer) or (first if stage == 0 else others)[layer]
    return f"_blocks.{sum(DEPTH[:stage]) + block}.{layer}.{param}"


DEPTH = [1, 1, 1, 2, 2, 2, 1]  # of the networks here


def old_densenet(name):
    return re.sub(r"(denselayer\d+)\.(norm|conv)([12])", r"\1.\2.\3", name)


def effnet(kind, **more):
    return getattr(te, "_gen_" + kind)(more.pop("variant"), num_classes=CLASSES, **more)


tf = dict(pad_type="same", bn_eps=1e-3)
config = lambda name: json.dumps({"architecture": name})
mobile = dict(side=64, layers=["features.18", "features.13"])
timms = dict(side=64, layers=["bn2", "blocks.4"])

CASES = [
    dict(name="torchvision vgg11", arch="vgg-w12", model=vgg(False), side=224, layers=["features.20", "features.19"]),
    dict(name="torchvision vgg11_bn", arch="vgg-w12", model=vgg(True), side=224, layers=["features.28", "features.27"]),
    dict(name="torchvision vgg11, a larger input", arch="vgg-w12", model=vgg(False), side=448, layers=["features.20", "features.19"]),
    dict(name="timm vgg11", arch="vgg-w12", model=timm_vgg(), side=224, layers=["features.20", "features.19"]),
    dict(name="torchvision alexnet", arch="alexnet-w12", model=alexnet(), side=224, layers=["features.12", "features.11"]),
    dict(name="torchvision squeezenet1_0", arch="squeezenet-w22", model=squeezenet("1_0"), side=96, layers=["features.12", "features.10"]),
    dict(name="torchvision squeezenet1_1", arch="squeezenet-w22", model=squeezenet("1_1"), side=96, layers=["features.12", "features.7"]),
    dict(name="torchvision densenet", arch="densenet-w17", model=densenet(), side=64, layers=["features.relu5", "features.transition3.conv"]),
    dict(name="torchvision densenet, old names", arch="densenet-w17", model=densenet(), rename=old_densenet, side=64, layers=["features.relu5", "features.transition3.conv"]),
    dict(name="torchvision mobilenet_v2", arch="mobilenet_v2-w1280", model=M.MobileNetV2(CLASSES, width_mult=0.25), **mobile),
    dict(name="torchvision mobilenet_v2, stages of equal width", arch="mobilenet_v2-w1280", model=M.MobileNetV2(CLASSES, width_mult=0.5), **mobile),
    dict(name="torchvision efficientnet", arch="efficientnet-w320", model=efficientnet(0.25), side=64, layers=["features.8", "features.5"]),
    dict(name="torchvision efficientnet, eps", arch="efficientnet-w320", model=efficientnet(0.25, 1e-3), spec=":eps=1e-3", side=64, layers=["features.8", "features.5"]),
    dict(name="torchvision efficientnet_v2", arch="efficientnet_v2-w64", model=efficientnet_v2(), spec=":eps=1e-3", side=64, layers=["features.7", "features.5"]),
    dict(name="torchvision mobilenet_v3_large", arch="mobilenet_v3_large-w240", model=mobilenet_v3("mobilenet_v3_large"), side=64, layers=["features.16", "features.12"]),
    dict(name="torchvision mobilenet_v3_small", arch="mobilenet_v3_small-w144", model=mobilenet_v3("mobilenet_v3_small"), side=64, layers=["features.12", "features.8"]),
    dict(name="timm mobilenetv2", arch="mobilenet_v2-w1280", model=effnet("mobilenet_v2", variant="mobilenetv2_035", channel_multiplier=0.35), **timms),
    dict(name="timm efficientnet", arch="efficientnet-w320", model=effnet("efficientnet", variant="efficientnet_b0", channel_multiplier=0.25, depth_multiplier=0.4), **timms),
    dict(name="timm tf_efficientnet", arch="efficientnet-w320", model=effnet("efficientnet", variant="tf_efficientnet_b0", channel_multiplier=0.25, depth_multiplier=0.4, **tf), spec=":pad=same", **timms),
    dict(name="timm tf_efficientnet, its config", arch="efficientnet-w320", model=effnet("efficientnet", variant="tf_efficientnet_b0", channel_multiplier=0.25, depth_multiplier=0.4, **tf), config=config("tf_efficientnet_b0.ns_jft_in1k"), side=75, layers=["bn2", "blocks.4"]),
    dict(name="timm efficientnet_lite", arch="efficientnet_lite-w1280", model=effnet("efficientnet_lite", variant="efficientnet_lite0", channel_multiplier=0.25, depth_multiplier=0.4), **timms),
    dict(name="timm mnasnet", arch="mnasnet-w1280", model=effnet("mnasnet_b1", variant="mnasnet_100", channel_multiplier=0.25), **timms),
    dict(name="timm semnasnet", arch="semnasnet-w1280", model=effnet("mnasnet_a1", variant="semnasnet_100", channel_multiplier=0.25), **timms),
    dict(name="timm efficientnetv2_rw", arch="efficientnet_v2-w448", model=effnet("efficientnetv2_s", variant="efficientnetv2_rw_s", channel_multiplier=0.25, depth_multiplier=0.2, rw=True), side=64, layers=["bn2", "blocks.4"]),
    dict(name="timm mobilenetv3_large", arch="mobilenet_v3_large-w240", model=tm._gen_mobilenet_v3("mobilenetv3_large_100", 0.25, num_classes=CLASSES), side=64, layers=["blocks.6", "blocks.4"]),
    dict(name="timm mobilenetv3_small", arch="mobilenet_v3_small-w144", model=tm._gen_mobilenet_v3("mobilenetv3_small_100", 0.25, num_classes=CLASSES), side=64, layers=["blocks.5", "blocks.3"]),
    dict(name="efficientnet_pytorch", arch="efficientnet-w320", model=effnet("efficientnet", variant="tf_efficientnet_b0", channel_multiplier=0.25, depth_multiplier=0.4, **tf), rename=lukemelas, **timms),
    dict(name="timm seresnet, basic", arch="seresnet-basic-1-2-1-1-w8", model=se_resnet(tr.BasicBlock), side=64, layers=["layer4", "layer3"]),
    dict(name="timm seresnet, bottleneck", arch="seresnet-bottleneck-1-2-1-1-w8", model=se_resnet(tr.Bottleneck), side=64, layers=["layer4", "layer3"]),
    dict(name="timm seresnext_d", arch="seresnet-bottleneck-1-2-1-1-w8-g2-x1.5-deep-d", model=se_resnet(tr.Bottleneck, cardinality=2, base_width=48, stem_width=4, stem_type="deep", avg_down=True), side=72, layers=["layer4", "layer3"]),
    dict(name="timm legacy_seresnet, basic", arch="seresnet-basic-1-1-1-1-w64", model=legacy(ts.SEResNetBlock, 1), side=64, layers=["layer4", "layer3"]),
    dict(name="timm legacy_seresnet, bottleneck", arch="seresnet-bottleneck-1-1-1-1-w64", model=legacy(ts.SEResNetBottleneck, 1), side=64, layers=["layer4", "layer3"]),
    dict(name="timm legacy_seresnext", arch="seresnet-bottleneck-1-1-1-1-w64-g32-x2", model=legacy(ts.SEResNeXtBottleneck, 32), side=64, layers=["layer4", "layer3"]),
]

# Published networks: name here, publisher, its name there.
TORCHVISION = (
    "vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn alexnet squeezenet1_0 squeezenet1_1 densenet121 densenet161 densenet169 densenet201 "
    "mobilenet_v2 mobilenet_v3_large mobilenet_v3_small efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5 "
    "efficientnet_b6 efficientnet_b7 efficientnet_v2_s efficientnet_v2_m efficientnet_v2_l resnet18 resnet50 wide_resnet50_2 resnext50_32x4d"
).split()
TIMM = dict(
    vgg16="vgg16", vgg16_bn="vgg16_bn", densenet121="densenet121", densenet161="densenet161", mobilenetv2_100="mobilenet_v2", mobilenetv3_large_100="mobilenet_v3_large",
    mobilenetv3_small_100="mobilenet_v3_small", efficientnet_b0="efficientnet_b0", efficientnet_b3="efficientnet_b3", efficientnet_b7="efficientnet_b7", tf_efficientnet_b4="efficientnet_b4",
    tf_efficientnetv2_s="efficientnet_v2_s", efficientnet_lite0="efficientnet_lite-w1280", mnasnet_100="mnasnet-w1280", semnasnet_100="semnasnet-w1280",
    seresnet18="seresnet18", seresnet34="seresnet34", seresnet50="seresnet50", seresnet101="seresnet101", seresnet152="seresnet152", seresnet152d="seresnet152d",
    seresnext50_32x4d="seresnext50_32x4d", seresnext101_32x4d="seresnext101_32x4d", seresnext26d_32x4d="seresnext26d_32x4d",
    legacy_seresnet50="seresnet50", legacy_seresnext50_32x4d="seresnext50_32x4d",
)


def inputs():
    """The inputs that torchvision's first weights are for: size, resize, interpolation, mean, deviation."""
    out = {}
    for name in TORCHVISION:
        t = M.get_model_weights(name)["IMAGENET1K_V1"].transforms()
        out[name] = {"size": t.crop_size[0], "resize": t.resize_size[0], "interpolation": t.interpolation.value, "mean": list(t.mean), "std": list(t.std)}
    return out


def published():
    with torch.device("meta"):
        for name in TORCHVISION:
            yield name, "torchvision " + name, state(getattr(M, name)(weights=None))
        for theirs, name in TIMM.items():
            yield name, "timm " + theirs, state(timm.create_model(theirs))


def write(name, text):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    with open(path, "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
        z.write(text.encode())


def main():
    torch.manual_seed(0)
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "timm": timm.__version__}
    write("networks.json.gz", json.dumps({**versions, "inputs": inputs(), "networks": [golden(copy.copy(c)) for c in CASES]}, separators=(",", ":")))
    lines = [" ".join(["versions"] + [f"{k} {v}" for k, v in versions.items()])]
    for name, title, shapes in published():
        lines.append(f"# {name} = {title}")
        lines += [f"{k} {','.join(map(str, v))}" for k, v in shapes.items()]
    write("statedicts.txt.gz", "\n".join(lines) + "\n")


main()
