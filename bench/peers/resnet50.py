"""ResNet-50 for 224 x 224 (He et al. 2016, table 1) with initial weights as ONNX, and random images: resnet50.py FOLDER EXAMPLES"""

import sys

import numpy
import torch
from torch import nn

EXPANSION = 4
STAGES = [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]
CLASSES = 1000


def convolution(inputs, outputs, size, stride=1):
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs)


class Bottleneck(nn.Module):
    def __init__(self, inputs, width, stride):
        super().__init__()
        outputs = EXPANSION * width
        self.residual = nn.Sequential(
            *convolution(inputs, width, 1),
            nn.ReLU(),
            *convolution(width, width, 3, stride),
            nn.ReLU(),
            *convolution(width, outputs, 1),
        )
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else nn.Sequential(*convolution(inputs, outputs, 1, stride))

    def forward(self, x):
        return torch.relu(self.residual(x) + self.shortcut(x))


def network():
    layers = [*convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for width, blocks, stride in STAGES:
        for block in range(blocks):
            layers.append(Bottleneck(channels, width, stride if block == 0 else 1))
            channels = EXPANSION * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)).eval()


folder, examples = sys.argv[1], int(sys.argv[2])
torch.manual_seed(0)
torch.onnx.export(
    network(),
    torch.zeros(1, 3, 224, 224),
    f"{folder}/resnet50.onnx",
    input_names=["input"],
    output_names=["logits"],
    dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
    opset_version=13,
)
random = numpy.random.default_rng(0)


def images(count):
    return random.integers(0, 256, (count, 224, 224, 3), dtype=numpy.uint8), random.integers(0, CLASSES, count)


x_train, y_train = images(examples)
x_test, y_test = images(1)
numpy.savez(f"{folder}/images.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
