"""Prints what building against this Python's PyTorch needs, a line each: include|FOLDER, library|FOLDER,
define|NAME=VALUE."""
import os
import sys

import torch

torch_folder = os.path.dirname(torch.__file__)
# Debian keeps the headers in /usr/include, with links here.
includes = [
    os.path.join(torch_folder, "include"),
    os.path.join(torch_folder, "include", "torch", "csrc", "api", "include")
]
includes = [os.path.realpath(folder) for folder in includes if os.path.exists(os.path.join(folder, "torch"))]
header = os.path.join("ATen", "ATen.h")
if not any(os.path.exists(os.path.join(folder, header)) for folder in includes + ["/usr/include"]):
    sys.exit(f"PyTorch {torch.__version__} is here without its headers (Debian: libtorch-dev)")
for folder in includes:
    print("include", folder, sep="|")
print("library", os.path.join(torch_folder, "lib"), sep="|")
print("define", f"_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}", sep="|")
