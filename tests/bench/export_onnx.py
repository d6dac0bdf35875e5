"""Exports the network of a bundle to ONNX, for the benchmark against onnxruntime-web.

    export_onnx.py BUNDLE OUT.onnx

The network is the PyTorch baseline of `trainer/benches`, with the weights of the bundle; its inputs are `x2d` [B, F2],
`x3d` [B, N, F3] and `kpm` [B, N] (true for padding), its outputs `logits` [B, T] and `attention` [B, T, N]. B and N are free.
"""

import json
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "trainer/benches"))

import torch  # noqa: E402
from pytorch_baseline import Network, read_safetensors  # noqa: E402


class Scorer(torch.nn.Module):
    """What the page shows: logits and attention."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x2d, x3d, kpm):
        output = self.network(x2d, x3d, kpm)
        return output["logits"], output["attention"]


def main(bundle, out):
    with zipfile.ZipFile(bundle) as archive, tempfile.TemporaryDirectory() as folder:
        manifest = json.loads(archive.read("manifest.json"))
        weights = read_safetensors(Path(archive.extract("weights.safetensors", folder)))
    config = manifest["model"]
    dropouts = ("mol_dropout", "inst_dropout", "mixer_dropout", "attn_dropout", "head_dropout")
    for name in (*dropouts, "residual_dropout", "drop_path", "head_stochastic_depth"):
        config[name] = 0.0
    network = Network(config)
    own = network.state_dict()
    # The bundle has only what the network has; numbers may be scalars in one and of one element in the other.
    network.load_state_dict({name: weights[name].reshape(own[name].shape) for name in own})
    scorer = Scorer(network).eval()
    inputs = (
        torch.randn(3, config["mol_dim"]),
        torch.randn(3, 5, config["inst_dim"]),
        torch.tensor([[False] * 5, [False] * 4 + [True], [False] * 2 + [True] * 3]),
    )
    batch, conformers = torch.export.Dim("batch", min=2, max=4096), torch.export.Dim("conformers", min=2, max=1024)
    shapes = ({0: batch}, {0: batch, 1: conformers}, {0: batch, 1: conformers})
    torch.onnx.export(
        scorer, inputs, str(out), input_names=["x2d", "x3d", "kpm"], output_names=["logits", "attention"],
        dynamic_shapes=shapes, dynamo=True, external_data=False, verbose=False,
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
