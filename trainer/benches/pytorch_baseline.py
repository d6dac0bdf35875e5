"""The network and its training step in PyTorch, the baseline of the benchmark `training_step`.

Eager float32, as a careful PyTorch user writes it: one module a layer, fused kernels where PyTorch has them
(scaled products, layer normalisation, fused AdamW), no work whose result is not used. Bags are padded to the
largest of their batch. The epoch is run by a bare loop, and by Lightning as in the system that Optimil replaces: with
`nn.MultiheadAttention` called as a module and a deterministic trainer.

Run by the benchmark, which writes a workload into a folder and then sends one command a line: `loss`, `step N`,
`forward N`, `loop N`, `lightning N`. Each is answered by one line of JSON.
"""

import json
import math
import sys
import time
import warnings
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset


# ---- the network -------------------------------------------------------------------------------------------------


def inner_width(d):
    return math.ceil(max(4, 2 * d) / 64) * 64


def drop_path(x, rate, training):
    """Stochastic depth: drops the branch of a whole sample (first axis)."""
    if rate == 0.0 or not training:
        return x
    keep = 1.0 - rate
    kept = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep).div_(keep)
    return x * kept


def drop_path_rate(rate, index, count):
    return rate * index / max(1, count - 1) if count > 1 else 0.0


class GatedFeedForward(nn.Module):
    def __init__(self, d, dropout):
        super().__init__()
        self.ff1 = nn.Linear(d, 2 * inner_width(d))
        self.ff2 = nn.Linear(inner_width(d), d)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        u, v = self.ff1(x).chunk(2, dim=-1)
        return self.ff2(self.dropout(F.silu(u) * v))


class Embedder(nn.Module):
    """Residual SwiGLU blocks: 2D encoder, 3D encoder and mixer."""

    def __init__(self, d_in, d, layers, dropout, residual_dropout, rate):
        super().__init__()
        self.in_proj = nn.Linear(d_in, d) if d_in != d else nn.Identity()
        self.pre_norms = nn.ModuleList(nn.LayerNorm(d) for _ in range(layers))
        self.blocks = nn.ModuleList(GatedFeedForward(d, dropout) for _ in range(layers))
        self.res_scales = nn.ParameterList(nn.Parameter(torch.tensor(0.1)) for _ in range(layers))
        self.residual_dropout = nn.Dropout(residual_dropout)
        self.rates = [drop_path_rate(rate, i, layers) for i in range(layers)]

    def forward(self, x):
        x = self.in_proj(x)
        for norm, block, scale, rate in zip(self.pre_norms, self.blocks, self.res_scales, self.rates):
            h = self.residual_dropout(block(norm(x)))
            x = x + drop_path(h * torch.tanh(scale), rate, self.training)
        return x


class HeadBlock(nn.Module):
    def __init__(self, d, dropout, rate):
        super().__init__()
        self.pre_norm = nn.LayerNorm(d)
        self.fc1 = nn.Linear(d, 2 * inner_width(d))
        self.fc2 = nn.Linear(inner_width(d), d)
        self.res_scale = nn.Parameter(torch.tensor(0.1))
        self.dropout = nn.Dropout(dropout)
        self.rate = rate

    def forward(self, x):
        v, g = self.fc1(self.pre_norm(x)).chunk(2, dim=-1)
        h = self.fc2(self.dropout(F.silu(g) * v))
        return x + drop_path(h * torch.tanh(self.res_scale), self.rate, self.training)


class Head(nn.Module):
    def __init__(self, d, d_out, layers, dropout, rate):
        super().__init__()
        self.input_norm = nn.LayerNorm(d)
        self.blocks = nn.Sequential(
            *(HeadBlock(d, dropout, drop_path_rate(rate, i, layers)) for i in range(layers))
        )
        self.fc_out = nn.Linear(d, d_out)

    def forward(self, x):
        return self.fc_out(self.blocks(self.input_norm(x)))


class TaskAttentionPool(nn.Module):
    """Attention of one learned query a task, as `nn.MultiheadAttention` computes its weights.

    `nn.MultiheadAttention` itself also projects values and outputs that the pool does not use, and the queries of
    every molecule, which are all the same. So its parameters are used directly, unless `as_earlier_system`: that
    calls the module with the queries expanded to the batch.
    """

    as_earlier_system = False

    def __init__(self, d, heads, tasks, dropout):
        super().__init__()
        self.mha = nn.MultiheadAttention(d, heads, dropout=dropout, batch_first=True)
        self.pre_ln = nn.LayerNorm(d)
        self.q = nn.Parameter(torch.empty(1, tasks, d).normal_(std=0.02))
        self.q_ln = nn.LayerNorm(d)
        self.log_tau = nn.Parameter(torch.tensor(math.log(0.3)))
        self.residual_mix = nn.Parameter(torch.tensor(0.0))
        self.heads, self.dropout = heads, dropout

    def forward(self, tokens, kpm):
        normed = self.pre_ln(tokens)
        weights = self.weights_of_module(normed, kpm) if self.as_earlier_system else self.weights(normed, kpm)
        attention = weights.mean(dim=1)
        attention = attention / attention.sum(dim=-1, keepdim=True).clamp_min(1e-8)
        w_v, b_v = self.mha.in_proj_weight.chunk(3)[2], self.mha.in_proj_bias.chunk(3)[2]
        return attention @ F.linear(normed, w_v, b_v), attention

    def weights_of_module(self, normed, kpm):
        q = self.q_ln(self.q).expand(normed.shape[0], -1, -1)
        _, weights = self.mha(
            q, normed, normed, key_padding_mask=kpm, need_weights=True, average_attn_weights=False
        )
        return weights

    def weights(self, normed, kpm):
        b, n, d = normed.shape
        w_q, w_k, _ = self.mha.in_proj_weight.chunk(3)
        b_q, b_k, _ = self.mha.in_proj_bias.chunk(3)
        q = F.linear(self.q_ln(self.q), w_q, b_q)
        q = q.view(1, -1, self.heads, d // self.heads).transpose(1, 2)
        k = F.linear(normed, w_k, b_k).view(b, n, self.heads, d // self.heads).transpose(1, 2)
        scores = q @ k.transpose(2, 3) / math.sqrt(d // self.heads)
        weights = scores.masked_fill(kpm[:, None, None, :], float("-inf")).softmax(dim=-1)
        return F.dropout(weights, self.dropout, self.training)


class Network(nn.Module):
    def __init__(self, c):
        super().__init__()

        def embedder(d_in, part):
            return Embedder(
                d_in, c[f"{part}_hidden"], c[f"{part}_layers"], c[f"{part}_dropout"],
                c["residual_dropout"], c["drop_path"],
            )  # fmt: skip

        def head(d_out=1):
            return Head(d, d_out, c["head_num_layers"], c["head_dropout"], c["head_stochastic_depth"])

        def projection(d_in):
            return nn.Sequential(nn.Linear(d_in, c["proj_dim"]), nn.LayerNorm(c["proj_dim"]))

        d = c["mixer_hidden"]
        self.mol_enc = embedder(c["mol_dim"], "mol")
        self.mol_post_embed_norm = nn.LayerNorm(c["mol_hidden"])
        self.proj2d = projection(c["mol_hidden"])
        self.inst_enc = embedder(c["inst_dim"], "inst")
        self.inst_post_embed_norm = nn.LayerNorm(c["inst_hidden"])
        self.attn_pool = TaskAttentionPool(c["inst_hidden"], c["attn_heads"], c["n_tasks"], c["attn_dropout"])
        self.agg_post_norm = nn.LayerNorm(c["inst_hidden"])
        self.proj3d = projection(c["inst_hidden"])
        self.mixer = embedder(2 * c["proj_dim"], "mixer")
        self.mixer_post_norm = nn.LayerNorm(d)
        self.cls_heads = nn.ModuleList(head() for _ in range(c["n_tasks"]))
        self.abs_heads = nn.ModuleList(head() for _ in range(c["n_absorbance"]))
        self.fluo_heads = nn.ModuleList(head() for _ in range(c["n_fluorescence"]))
        self.bitmask_head = head(c["n_bitmask_groups"]) if c["n_bitmask_groups"] > 0 else None

    def forward(self, x2d, x3d, kpm):
        e2d = self.proj2d(self.mol_post_embed_norm(self.mol_enc(x2d)))
        tokens = self.inst_post_embed_norm(self.inst_enc(x3d))
        pooled, attention = self.attn_pool(tokens, kpm)
        e3d = self.proj3d(self.agg_post_norm(pooled))
        e2d = e2d.unsqueeze(1).expand(-1, e3d.shape[1], -1)
        z = self.mixer_post_norm(self.mixer(torch.cat([e2d, e3d], dim=-1)))
        mean = z.mean(dim=1)
        return {
            "logits": torch.cat([head(z[:, t]) for t, head in enumerate(self.cls_heads)], dim=1),
            "absorbance": torch.cat([head(mean) for head in self.abs_heads], dim=1) if self.abs_heads else None,
            "fluorescence": torch.cat([head(mean) for head in self.fluo_heads], dim=1) if self.fluo_heads else None,
            "bitmask": self.bitmask_head(mean) if self.bitmask_head is not None else None,
            "attention": attention,
        }


# ---- the losses --------------------------------------------------------------------------------------------------


class Objective:
    def __init__(self, weights):
        self.pos_weight = torch.tensor(weights["pos_weight"])
        self.gamma = torch.tensor(weights["gamma"])
        self.lam = torch.tensor(weights["lam"])
        self.lambdas = {name: weights[f"lambda_aux_{name}"] for name in ("abs", "fluo", "bitmask")}
        self.regression = F.mse_loss if weights["regression"] == "mse" else F.smooth_l1_loss

    def focal(self, logits, labels, weights):
        bce = F.binary_cross_entropy_with_logits(logits, labels, reduction="none", pos_weight=self.pos_weight)
        p = torch.sigmoid(logits)
        p_t = p * labels + (1 - p) * (1 - labels)
        loss = bce * (1 - p_t) ** self.gamma
        weights = weights.clamp_min(0.0)
        return (loss * weights).sum(dim=0) / weights.sum(dim=0).clamp_min(1e-6)

    def regress(self, predicted, batch, name):
        if predicted is None:
            return self.lam.new_zeros(())
        weights = batch[f"{name}_weights"]
        error = self.regression(predicted, batch[f"{name}_values"], reduction="none")
        return ((error * weights).sum(dim=0) / weights.sum(dim=0).clamp_min(1e-6)).mean()

    def __call__(self, output, batch):
        per_task = self.focal(output["logits"], batch["labels"], batch["label_weights"])
        losses = {"classification": (self.lam * per_task).mean()}
        losses["absorbance"] = self.regress(output["absorbance"], batch, "absorbance")
        losses["fluorescence"] = self.regress(output["fluorescence"], batch, "fluorescence")
        total = (
            losses["classification"]
            + self.lambdas["abs"] * losses["absorbance"]
            + self.lambdas["fluo"] * losses["fluorescence"]
        )
        if output["bitmask"] is not None:
            weights = batch["bitmask"]
            losses["bitmask"] = -(F.log_softmax(output["bitmask"], dim=1) * weights).sum() / weights.sum()
            total = total + self.lambdas["bitmask"] * losses["bitmask"]
        losses["total"] = total
        for task, loss in enumerate(per_task):
            losses[f"task_{task}"] = loss
        return losses


# ---- the workload ------------------------------------------------------------------------------------------------


def read_safetensors(path):
    """Tensors of a safetensors file: length of the header, header in JSON, float32 values."""
    content = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])

    def tensor(entry):
        first, last = entry["data_offsets"]
        if first == last:
            return torch.zeros(entry["shape"])
        values = torch.frombuffer(content, dtype=torch.float32, count=(last - first) // 4, offset=start + first)
        return values.reshape(entry["shape"]).clone()

    return {name: tensor(entry) for name, entry in header.items() if name != "__metadata__"}


TARGETS = (
    "labels", "label_weights", "absorbance_values", "absorbance_weights", "fluorescence_values",
    "fluorescence_weights", "bitmask",
)  # fmt: skip


class Bags(Dataset):
    """Molecules one by one, as a data loader asks for them."""

    def __init__(self, tensors):
        offsets = tensors["offsets"].long().tolist()
        self.x2d, self.x3d = tensors["x2d"], tensors["x3d"]
        self.spans = list(zip(offsets, offsets[1:]))
        self.targets = {name: tensors[name] for name in TARGETS if name in tensors}

    def __len__(self):
        return len(self.spans)

    def __getitem__(self, row):
        first, last = self.spans[row]
        item = {name: values[row] for name, values in self.targets.items()}
        item["x2d"], item["x3d"] = self.x2d[row], self.x3d[first:last]
        return item


def collate(items):
    """Stacks molecules, their bags padded to the largest one."""
    batch = {name: torch.stack([item[name] for item in items]) for name in items[0] if name != "x3d"}
    bags = [item["x3d"] for item in items]
    batch["x3d"] = nn.utils.rnn.pad_sequence(bags, batch_first=True)
    sizes = torch.tensor([len(bag) for bag in bags])
    batch["kpm"] = torch.arange(batch["x3d"].shape[1]) >= sizes[:, None]
    return batch


def average_precision(labels, scores):
    order = torch.argsort(scores, descending=True, stable=True)
    hits = labels[order] > 0.5
    if not hits.any():
        return 0.0
    precision = hits.cumsum(0) / torch.arange(1, len(hits) + 1)
    return precision[hits].mean().item()


class Workload:
    def __init__(self, folder):
        self.folder = folder
        self.config = json.loads((folder / "config.json").read_text())
        self.objective = Objective(self.config["objective"])
        self.batches = []
        for path in sorted(folder.glob("batch_*.safetensors")):
            bags = Bags(read_safetensors(path))
            self.batches.append(collate([bags[row] for row in range(len(bags))]))
        self.network = self.new_network()
        self.optimiser = self.new_optimiser(self.network)
        self.steps = 0

    def new_network(self):
        network = Network(self.config["model"])
        weights = read_safetensors(self.folder / "weights.safetensors")
        own = network.state_dict()
        network.load_state_dict({name: values.reshape(own[name].shape) for name, values in weights.items()})
        return network

    def new_optimiser(self, network):
        c = self.config
        return torch.optim.AdamW(network.parameters(), lr=c["lr"], weight_decay=c["weight_decay"], fused=True)

    def next_batch(self):
        self.steps += 1
        return self.batches[self.steps % len(self.batches)]

    def loss(self):
        """All losses of the first batch, without dropout; the same by either way to attention."""
        self.network.eval()
        pool, batch = self.network.attn_pool, self.batches[0]
        with torch.inference_mode():
            pool.as_earlier_system = True
            expected = self.network(batch["x2d"], batch["x3d"], batch["kpm"])
            pool.as_earlier_system = False
            output = self.network(batch["x2d"], batch["x3d"], batch["kpm"])
            torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)
            return {name: loss.item() for name, loss in self.objective(output, batch).items()}

    def train_steps(self, count):
        self.network.train()
        for _ in range(count):
            batch = self.next_batch()
            self.optimiser.zero_grad(set_to_none=True)
            output = self.network(batch["x2d"], batch["x3d"], batch["kpm"])
            self.objective(output, batch)["total"].backward()
            self.optimiser.step()

    def forward_passes(self, count):
        self.network.eval()
        with torch.inference_mode():
            for _ in range(count):
                batch = self.next_batch()
                self.network(batch["x2d"], batch["x3d"], batch["kpm"])

    # Epochs. The batches of row numbers were drawn beforehand, so the sampler's time is not counted here.

    def loaders(self, epochs):
        tensors = read_safetensors(self.folder / "dataset.safetensors")
        bags = Bags(tensors)
        rows = [[int(row) for row in batch] for epoch in tensors["epochs"][:epochs] for batch in epoch]
        per_epoch = len(rows) // epochs
        validation = [int(row) for row in tensors["validation"]]
        sampler = EpochBatches(rows, per_epoch)
        train = DataLoader(bags, batch_sampler=sampler, collate_fn=collate)
        valid = DataLoader(torch.utils.data.Subset(bags, validation), batch_size=256, collate_fn=collate)
        return train, valid

    def loop(self, epochs):
        """Epochs of a bare PyTorch loop; the times after each."""
        train, valid = self.loaders(epochs)
        network = self.new_network()
        optimiser = self.new_optimiser(network)
        marks = [now()]
        for _ in range(epochs):
            network.train()
            losses = []
            for batch in train:
                optimiser.zero_grad(set_to_none=True)
                total = self.objective(network(batch["x2d"], batch["x3d"], batch["kpm"]), batch)["total"]
                total.backward()
                optimiser.step()
                losses.append(total.detach())
            torch.stack(losses).mean().item()
            network.eval()
            with torch.inference_mode():
                outputs = [network(batch["x2d"], batch["x3d"], batch["kpm"])["logits"] for batch in valid]
                labels = torch.cat([batch["labels"] for batch in valid])
                scores = torch.cat(outputs).sigmoid()
                [average_precision(labels[:, t], scores[:, t]) for t in range(labels.shape[1])]
            marks.append(now())
        return marks

    def lightning(self, epochs):
        """Epochs of a Lightning trainer: losses logged a step, best checkpoint kept, early stopping."""
        import logging
        import tempfile

        import lightning

        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        warnings.filterwarnings("ignore")
        train, valid = self.loaders(epochs)
        module = lightning_module(lightning, self)
        with tempfile.TemporaryDirectory() as folder:
            trainer = lightning.Trainer(
                max_epochs=epochs,
                accelerator="cpu",
                deterministic=True,
                logger=lightning.pytorch.loggers.CSVLogger(folder),
                callbacks=[
                    lightning.pytorch.callbacks.ModelCheckpoint(folder, monitor="val_macro_ap", mode="max"),
                    lightning.pytorch.callbacks.EarlyStopping("val_macro_ap", mode="max", patience=epochs),
                ],
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                log_every_n_steps=1,
            )
            trainer.fit(module, train, valid)
        # The trainer leaves it on, for the whole process.
        torch.use_deterministic_algorithms(False)
        return module.marks + [now()]


class EpochBatches:
    """The batches of row numbers, epoch after epoch."""

    def __init__(self, rows, per_epoch):
        self.rows, self.per_epoch, self.epoch = rows, per_epoch, 0

    def __len__(self):
        return self.per_epoch

    def __iter__(self):
        first = self.epoch * self.per_epoch
        self.epoch = (self.epoch + 1) % (len(self.rows) // self.per_epoch)
        return iter(self.rows[first : first + self.per_epoch])


def lightning_module(lightning, workload):
    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = workload.new_network()
            self.network.attn_pool.as_earlier_system = True
            self.marks = []
            self.outputs = []

        def losses(self, batch):
            output = self.network(batch["x2d"], batch["x3d"], batch["kpm"])
            return output, workload.objective(output, batch)

        def on_train_epoch_start(self):
            self.marks.append(now())

        def training_step(self, batch, _):
            _, losses = self.losses(batch)
            size = len(batch["labels"])
            self.log_dict({f"train_{name}": loss for name, loss in losses.items()}, on_epoch=True, batch_size=size)
            return losses["total"]

        def validation_step(self, batch, _):
            output, losses = self.losses(batch)
            self.outputs.append((batch["labels"], output["logits"].sigmoid()))
            self.log_dict({f"val_{name}": loss for name, loss in losses.items()}, batch_size=len(batch["labels"]))

        def on_validation_epoch_end(self):
            labels, scores = (torch.cat(part) for part in zip(*self.outputs))
            self.outputs.clear()
            ap = [average_precision(labels[:, t], scores[:, t]) for t in range(labels.shape[1])]
            self.log_dict({f"val_ap_{t}": value for t, value in enumerate(ap)})
            self.log("val_macro_ap", sum(ap) / len(ap))

        def configure_optimizers(self):
            return workload.new_optimiser(self.network)

    return Module()


# ---- commands ----------------------------------------------------------------------------------------------------


def now():
    return {"wall": time.perf_counter(), "cpu": time.process_time()}


def between(first, second):
    return {name: second[name] - first[name] for name in first}


def timed(work, count):
    first = now()
    work(count)
    return between(first, now())


def main():
    folder, threads = Path(sys.argv[1]), int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    workload = Workload(folder)
    for line in sys.stdin:
        command, *count = line.split()
        count = int(count[0]) if count else 0
        if command == "loss":
            answer = workload.loss()
        elif command == "step":
            answer = timed(workload.train_steps, count)
        elif command == "forward":
            answer = timed(workload.forward_passes, count)
        else:
            marks = {"loop": workload.loop, "lightning": workload.lightning}[command](count)
            answer = [between(first, second) for first, second in zip(marks, marks[1:])]
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
