"""Implementations of ``extra_preprocess``."""

from autograder.bank import Bank, right, wrong

PREPROCESS = Bank(
    "extra_preprocess",
    misconceptions=(
        wrong(
            "multiplies by 225",
            "Your function multiplies by 225; the brightest of 256 pixels is 255.",
            ("(x * 255)", "(x * 225)"),
        ),
        wrong(
            "multiplies by 256",
            "Your function multiplies by 256; from the darkest to the brightest pixel there are 255 steps.",
            ("(x * 255)", "(x * 256)"),
        ),
        wrong(
            "multiplies by 127",
            "Your function multiplies by 127, so only half of the range is used; there are 255 steps from 0 to 1.",
            ("(x * 255)", "(x * 127)"),
        ),
        wrong(
            "from -127 to 127",
            "Your function maps 0 to -127 in steps of 254; pixel k is to become k - 128 exactly, from -128 to 127.",
            ("((x * 255).round() - 128)", "((x * 2 - 1) * 127).round()"),
        ),
        wrong(
            "subtracts 127",
            "Your function subtracts 127, so 0 becomes -127; the smallest pixel becomes -128.",
            ("- 128)", "- 127)"),
        ),
        wrong(
            "subtracts 127.5",
            "Your function subtracts 127.5, half of 255; subtract the integer 128, so that pixel k becomes k - 128.",
            ("((x * 255).round() - 128)", "(x * 255 - 127.5).round()"),
        ),
        wrong(
            "no shift",
            "Your function does not subtract 128, so bright pixels do not fit in int8.",
            (".round() - 128)", ".round())"),
        ),
        wrong(
            "casts before the shift",
            "Your function converts to int8 before it subtracts 128, and pixels above 127 do not fit; subtract first.",
            ("((x * 255).round() - 128).clamp(-128, 127)", "(x * 255).round().clamp(-128, 127)"),
            (".to(torch.int8)", ".to(torch.int8) - 128"),
        ),
        wrong(
            "stretches each image",
            "Your function stretches each image to the whole range; the same pixel must always give the same integer.",
            ("(x * 255)", "((x - x.min()) / (x.max() - x.min()) * 255)"),
        ),
        wrong(
            "not cast",
            "Your function returns floats; convert them to torch.int8 at the end.",
            (".to(torch.int8)", ""),
        ),
        wrong(
            "uint8",
            "Your function returns unsigned bytes from 0 to 255; subtract 128 and convert to torch.int8.",
            ("((x * 255).round() - 128).clamp(-128, 127).to(torch.int8)", "(x * 255).round().to(torch.uint8)"),
        ),
        wrong(
            "changes the images in place",
            "Your function writes into the images that it is given; compute new ones and leave the argument alone.",
            ("(x * 255)", "x.mul_(255)"),
        ),
    ),
    alternatives=(
        right(
            "loop over pixels",
            """
            def extra_preprocess(x):
                pixels = [round(value * 255) - 128 for value in x.flatten().tolist()]
                return torch.tensor(pixels, dtype=torch.int8).reshape(x.shape)
            """,
        ),
        right(
            "as linear_quantize",
            """
            def extra_preprocess(x):
                return linear_quantize(x, bitwidth=8, scale=1 / 255, zero_point=-128)
            """,
        ),
        right(
            "bytes with the upper bit changed",
            """
            def extra_preprocess(images):
                pixels = torch.round(images * 255).to(torch.uint8)
                return torch.bitwise_xor(pixels, 128).view(torch.int8)
            """,
        ),
        right(
            "rounds last, in float64",
            """
            def extra_preprocess(x):
                shifted = torch.sub(torch.mul(x.double(), 255.0), 128.0)
                return torch.round(shifted).clip(min=-128, max=127).char()
            """,
        ),
        right(
            "half added and cut off",
            """
            def extra_preprocess(x):
                k = (x * 255 + 0.5).long()
                return (k - 128).type(torch.int8)
            """,
        ),
        right(
            "numpy",
            """
            import numpy as np

            def extra_preprocess(x):
                k = np.rint(x.numpy() / np.float32(1 / 255)).astype(np.int16)
                return torch.from_numpy((k - 128).astype(np.int8))
            """,
        ),
        right(
            "in place on a clone",
            """
            def extra_preprocess(x):
                y = x.detach().clone()
                y *= 255
                y -= 128
                y.round_()
                return y.to(dtype=torch.int8)
            """,
        ),
    ),
    equivalent={
        "2: clamp(-128, 127). -> nothing": "pixels k / 255 and k * (1 / 255) are in the range before the clamp",
        "2: 127 -> 128": "pixels k / 255 and k * (1 / 255) are in the range before the clamp",
        "2: 128 -> 129": "pixels k / 255 and k * (1 / 255) are in the range before the clamp",
        "2: round -> floor": "for pixels k / 255 and k * (1 / 255), x * 255 is never below k",
        "2: round -> trunc": "for pixels k / 255 and k * (1 / 255), x * 255 is never below k",
    },
)
