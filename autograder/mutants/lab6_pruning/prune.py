"""Implementations of ``fine_grained_prune``."""

from autograder.bank import Bank, right, wrong

COUNT = "count = round(tensor.numel() * sparsity)"
IMPORTANCE = "importance = tensor.abs()"
THRESHOLD = "threshold = importance.flatten().kthvalue(count).values if count > 0 else -torch.inf"
MASK = "mask = importance > threshold"
APPLY = "tensor.mul_(mask)"

PRUNE = Bank(
    "fine_grained_prune",
    misconceptions=(
        wrong(
            "values in place of magnitudes",
            "Your function prunes the most negative weights; the smallest magnitudes go, whatever their sign.",
            (IMPORTANCE, "importance = tensor.clone()"),
        ),
        wrong(
            "prunes the largest",
            "Your function prunes the weights with the largest magnitudes; the smallest go.",
            (IMPORTANCE, "importance = 1 / tensor.abs()"),
        ),
        wrong(
            "mask the wrong way round",
            "Your mask has a 1 for what is pruned, and the tensor keeps that; 1 stands for a weight that is kept.",
            (MASK, "mask = importance <= threshold"),
        ),
        wrong(
            "mask of what is pruned",
            "Your tensor is right, but your mask marks what is pruned; 1 stands for a weight that is kept.",
            ("return mask", "return ~mask"),
        ),
        wrong(
            "keeps the threshold",
            "Your function keeps the weight whose magnitude is the threshold, one too many; it goes as well.",
            (MASK, "mask = importance >= threshold"),
        ),
        wrong(
            "cut off in place of rounded",
            "Your function cuts off the number of weights to prune; round it to the nearest integer.",
            (COUNT, "count = int(tensor.numel() * sparsity)"),
        ),
        wrong(
            "rounded up always",
            "Your function rounds the number of weights to prune up; round it to the nearest integer.",
            (COUNT, "count = int(-(-tensor.numel() * sparsity // 1))"),
        ),
        wrong(
            "sparsity is what stays",
            "Your function keeps the share that should go: sparsity is the share of zeros.",
            ("tensor.numel() * sparsity", "tensor.numel() * (1 - sparsity)"),
        ),
        wrong(
            "share of the largest",
            "Your threshold is a share of the largest magnitude; count weights, the threshold is one of theirs.",
            (THRESHOLD, "threshold = sparsity * importance.max() if count > 0 else -torch.inf"),
        ),
        wrong(
            "not flattened",
            "Your function asks kthvalue of the tensor as it is, which answers for each row; flatten it first.",
            (THRESHOLD, THRESHOLD.replace(".flatten()", "")),
        ),
        wrong(
            "sparsity as the threshold",
            "Your function compares magnitudes with the sparsity itself; the sparsity says how many weights go.",
            (MASK, "mask = importance > sparsity"),
        ),
        wrong(
            "row by row",
            "Your function prunes each row by itself; one threshold is for the whole tensor.",
            (
                THRESHOLD,
                "rows = importance.flatten(1)\n"
                "    count = round(rows.shape[1] * sparsity)\n"
                "    shape = (-1,) + (1,) * (tensor.dim() - 1)\n"
                "    threshold = rows.kthvalue(count, dim=1).values.reshape(shape) if count > 0 else -torch.inf",
            ),
        ),
        wrong(
            "not in place",
            "Your function returns the mask but leaves the tensor as it was; multiply it by the mask in place.",
            (APPLY, "tensor = tensor * mask"),
        ),
        wrong(
            "fails where nothing goes",
            "Your function asks for the 0th smallest magnitude where nothing is to be pruned; k begins at 1.",
            (" if count > 0 else -torch.inf", ""),
        ),
        wrong(
            "returns the tensor",
            "Your function returns the pruned tensor; return the mask.",
            ("return mask", "return tensor"),
        ),
        wrong(
            "returns nothing",
            "Your function returns nothing; return the mask.",
            ("    return mask", "    return None"),
        ),
        wrong(
            "flat mask",
            "Your mask is one row; give it the shape of the tensor.",
            ("return mask", "return mask.flatten()"),
        ),
    ),
    alternatives=(
        right(
            "sorted indices",
            """
            def fine_grained_prune(tensor, sparsity):
                smallest = tensor.abs().reshape(-1).argsort()[: round(tensor.numel() * sparsity)]
                mask = torch.ones(tensor.numel(), dtype=tensor.dtype)
                mask[smallest] = 0
                mask = mask.reshape(tensor.shape)
                tensor *= mask
                return mask
            """,
        ),
        right(
            "largest by topk, mask of zeros and ones",
            """
            def fine_grained_prune(tensor: torch.Tensor, sparsity: float) -> torch.Tensor:
                keep = tensor.numel() - int(tensor.numel() * sparsity + 0.5)
                mask = torch.zeros_like(tensor)
                mask.view(-1)[torch.topk(tensor.abs().view(-1), keep).indices] = 1.0
                tensor.copy_(torch.where(mask == 1, tensor, torch.zeros_like(tensor)))
                return mask
            """,
        ),
        right(
            "special cases first",
            """
            def fine_grained_prune(tensor, sparsity):
                sparsity = min(max(0.0, sparsity), 1.0)
                n = round(tensor.numel() * sparsity)
                if sparsity == 1.0:
                    tensor.zero_()
                    return torch.zeros_like(tensor)
                if n == 0:
                    return torch.ones_like(tensor)
                magnitude, _ = torch.sort(torch.flatten(torch.abs(tensor)))
                keep = torch.gt(torch.abs(tensor), magnitude[n - 1])
                tensor[~keep] = 0.0
                return keep
            """,
        ),
        right(
            "numpy, integers for a mask",
            """
            def fine_grained_prune(tensor, sparsity):
                values = np.abs(tensor.numpy()).ravel()
                order = np.argsort(values, kind="stable")
                keep = np.ones(values.size, dtype=np.int64)
                keep[order[: int(np.rint(values.size * sparsity))]] = 0
                mask = torch.from_numpy(keep.reshape(tuple(tensor.shape)))
                tensor.masked_fill_(mask == 0, 0.0)
                return mask
            """,
        ),
        right(
            "ranks",
            """
            def fine_grained_prune(tensor, sparsity):
                flat = tensor.square().flatten()
                ranks = torch.empty(len(flat), dtype=torch.long)
                ranks[flat.argsort()] = torch.arange(len(flat))
                mask = (ranks >= round(len(flat) * sparsity)).view_as(tensor)
                tensor.mul_(mask.to(tensor.dtype))
                return mask
            """,
        ),
    ),
)
