"""Implementations of ``get_input_channel_importance``."""

from autograder.bank import Bank, right, wrong

NORM = "torch.linalg.vector_norm(weight.detach(), dim=(0, 2, 3))"

IMPORTANCE = Bank(
    "get_input_channel_importance",
    misconceptions=(
        wrong(
            "outputs in place of inputs",
            "Your function measures the output channels; the inputs are the second dimension of the weight.",
            ("dim=(0, 2, 3)", "dim=(1, 2, 3)"),
        ),
        wrong(
            "sum of magnitudes",
            "Your function adds up magnitudes; the Frobenius norm is the root of the sum of squares.",
            (NORM, "weight.detach().abs().sum(dim=(0, 2, 3))"),
        ),
        wrong(
            "no root",
            "Your function forgets the root of the sum of squares.",
            (NORM, "weight.detach().square().sum(dim=(0, 2, 3))"),
        ),
        wrong(
            "mean square",
            "Your function takes the root of the mean of squares; the norm is the root of their sum.",
            (NORM, "weight.detach().square().mean(dim=(0, 2, 3)).sqrt()"),
        ),
        wrong(
            "plain sum",
            "Your function adds up the weights with their signs, so that they cancel; square them first.",
            (NORM, "weight.detach().sum(dim=(0, 2, 3)).abs()"),
        ),
        wrong(
            "largest weight",
            "Your function takes the largest magnitude; the norm counts all weights of the channel.",
            (NORM, "weight.detach().abs().amax(dim=(0, 2, 3))"),
        ),
        wrong(
            "dimensions kept",
            "Your result has four dimensions; return a row with one number for each input channel.",
            ("dim=(0, 2, 3)", "dim=(0, 2, 3), keepdim=True"),
        ),
        wrong(
            "first output only",
            "Your function looks at the first output channel only; the norm is taken over all of them.",
            (NORM, "torch.linalg.vector_norm(weight.detach()[0], dim=(1, 2))"),
        ),
        wrong(
            "one number",
            "Your function returns the norm of the whole weight; return one number for each input channel.",
            (", dim=(0, 2, 3)", ""),
        ),
        wrong(
            "each place of the kernel",
            "Your function keeps the places of the kernel apart; sum over height and width, too.",
            ("dim=(0, 2, 3)", "dim=0"),
        ),
        wrong(
            "norm of a matrix",
            "torch.linalg.norm takes one or two dimensions, not three: use torch.linalg.vector_norm or the formula.",
            ("vector_norm(", "norm("),
        ),
        wrong(
            "numpy of a parameter",
            "Your function asks a parameter for numpy(), which it refuses; use torch, or detach() it first.",
            (NORM, "torch.from_numpy(np.sqrt((weight.numpy() ** 2).sum(axis=(0, 2, 3))))"),
        ),
    ),
    alternatives=(
        right(
            "channel by channel",
            """
            def get_input_channel_importance(weight):
                importances = []
                for i_c in range(weight.shape[1]):
                    channel_weight = weight.detach()[:, i_c]
                    importances.append(torch.norm(channel_weight).view(1))
                return torch.cat(importances)
            """,
        ),
        right(
            "squares",
            """
            def get_input_channel_importance(weight: torch.Tensor) -> torch.Tensor:
                return (weight**2).sum(dim=(0, 2, 3)).sqrt()
            """,
        ),
        right(
            "rows of a matrix",
            """
            def get_input_channel_importance(weight):
                rows = weight.transpose(0, 1).flatten(1)
                return rows.norm(dim=1).detach()
            """,
        ),
        right(
            "einsum in float64",
            """
            def get_input_channel_importance(weight):
                exact = weight.detach().double()
                return torch.einsum("oihw,oihw->i", exact, exact).pow(0.5)
            """,
        ),
        right(
            "NumPy",
            """
            def get_input_channel_importance(weight):
                values = np.moveaxis(weight.detach().cpu().numpy(), 1, 0)
                return torch.tensor([np.linalg.norm(channel) for channel in values])
            """,
        ),
    ),
    equivalent={"2: .detach() -> nothing": "the norms are the same, with gradients or without"},
)
