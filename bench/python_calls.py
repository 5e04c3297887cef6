"""What a call from Python costs beyond its work: us a call of one token with one head of one pair. Needs the package
(tools/dev/python-package) and NumPy; PyTorch where it is there."""
import timeit

import numpy as np

import simdrope


def microseconds(call, calls=20000):
    return min(timeit.repeat(call, number=calls, repeat=9)) / calls * 1e6


def report(kind, q, k):
    rope = simdrope.Rope(simdrope.Config(head_dim=2))
    plan = simdrope.Plan(rope, q, k)
    for name, call in (("Plan.run(start)", lambda: plan.run(start=5)),
                       ("Plan.run(q, k, start)", lambda: plan.run(q, k, start=5)),
                       ("apply(rope, q, k, start)", lambda: simdrope.apply(rope, q, k, start=5))):
        print(f"{kind:6} {name:25} {microseconds(call):6.2f} us")


report("numpy", np.ones((1, 1, 1, 2), np.float32), np.ones((1, 1, 1, 2), np.float32))
try:
    import torch
except ImportError:
    pass
else:
    report("torch", torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2))
