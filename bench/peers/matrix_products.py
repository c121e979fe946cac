"""PyTorch's speed in products of large matrices with so many threads: one line of JSON, by wall and by CPU time."""

import json
import sys

import torch
from networks import speed

torch.set_num_threads(int(sys.argv[1]))
found = speed(runs=15)
print(json.dumps({"version": found["version"], "wall": found["gigaflops"], "cpu": found["cpuGigaflops"]}))
