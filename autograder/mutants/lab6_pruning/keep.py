"""Implementations of ``get_num_channels_to_keep``."""

from autograder.bank import Bank, right, wrong

KEEP = "round(channels * (1 - prune_ratio))"

CHANNELS_TO_KEEP = Bank(
    "get_num_channels_to_keep",
    misconceptions=(
        wrong(
            "cut off",
            "Your function cuts off the number of channels; round it to the nearest integer.",
            (KEEP, "int(channels * (1 - prune_ratio))"),
        ),
        wrong(
            "rounded up",
            "Your function rounds the number of channels up; round it to the nearest integer.",
            (KEEP, "int(-(-channels * (1 - prune_ratio) // 1))"),
        ),
        wrong(
            "the number that goes",
            "Your function returns how many channels go; return how many stay.",
            (KEEP, "round(channels * prune_ratio)"),
        ),
        wrong(
            "not rounded",
            "Your function returns a fraction of a channel; round to the nearest integer.",
            (KEEP, "channels * (1 - prune_ratio)"),
        ),
        wrong(
            "a multiple of eight",
            "Your function rounds to multiples of 8, as some hardware likes it; round to the nearest integer.",
            (KEEP, "max(8, 8 * round(channels * (1 - prune_ratio) / 8))"),
        ),
        wrong(
            "ratio rounded first",
            "Your function rounds the share and not the number of channels; multiply first.",
            (KEEP, "channels * round(1 - prune_ratio)"),
        ),
        wrong(
            "one channel fewer",
            "Your function keeps one channel too few.",
            (KEEP, "round(channels * (1 - prune_ratio)) - 1"),
        ),
        wrong(
            "divided",
            "Your function divides by one plus the ratio; multiply by one minus the ratio.",
            (KEEP, "round(channels / (1 + prune_ratio))"),
        ),
    ),
    alternatives=(
        right(
            "what goes is subtracted",
            """
            def get_num_channels_to_keep(channels: int, prune_ratio: float) -> int:
                return channels - round(channels * prune_ratio)
            """,
        ),
        right(
            "preserved share",
            """
            def get_num_channels_to_keep(channels, prune_ratio):
                preserve_rate = 1.0 - prune_ratio
                return int(round(channels * preserve_rate))
            """,
        ),
        right(
            "one half added, then cut off",
            """
            def get_num_channels_to_keep(channels, prune_ratio):
                return int(channels * (1 - prune_ratio) + 0.5)
            """,
        ),
        right(
            "NumPy, at least one",
            """
            def get_num_channels_to_keep(channels, prune_ratio):
                return max(1, int(np.rint(channels - channels * prune_ratio)))
            """,
        ),
        right(
            "a tensor",
            """
            def get_num_channels_to_keep(channels, prune_ratio):
                return torch.tensor(channels * (1 - prune_ratio)).round().to(torch.int64)
            """,
        ),
    ),
)
