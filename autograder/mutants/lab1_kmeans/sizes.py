"""Implementations of ``codebook_size_bits`` and ``answer_2_2``."""

from autograder.bank import Bank, right, wrong

CODEBOOK_SIZE = Bank(
    "codebook_size_bits",
    misconceptions=(
        wrong(
            "labels only",
            "Your function counts the labels only; the centroids have to be stored, too.",
            ("tensor.numel() * bitwidth + 2**bitwidth * 32", "tensor.numel() * bitwidth"),
        ),
        wrong(
            "one centroid",
            "Your function counts the bits of a single centroid; there is one for each cluster.",
            ("2**bitwidth * 32", "32"),
        ),
        wrong(
            "one centroid for each bit",
            "Your function stores one centroid for each bit of a label; there is one for each value of a label.",
            ("2**bitwidth * 32", "bitwidth * 32"),
        ),
        wrong(
            "two centroids for each bit",
            "Your function stores two centroids for each bit; every further bit doubles their number.",
            ("2**bitwidth * 32", "2 * bitwidth * 32"),
        ),
        wrong(
            "one centroid too few",
            "Your function stores one centroid too few: label 0 has a centroid, too.",
            ("2**bitwidth * 32", "(2**bitwidth - 1) * 32"),
        ),
        wrong(
            "centroids of one bit",
            "Your function adds the number of centroids, not their bits; each takes 32.",
            ("2**bitwidth * 32", "2**bitwidth"),
        ),
        wrong(
            "centroids as short as labels",
            "Your function stores centroids in as many bits as labels; they are float32 numbers of 32 bits.",
            ("2**bitwidth * 32", "2**bitwidth * bitwidth"),
        ),
        wrong(
            "centroids of the tensor's type",
            "Your function stores centroids in the type of the tensor; they take 32 bits each, whatever it is.",
            ("2**bitwidth * 32", "2**bitwidth * 8 * tensor.element_size()"),
        ),
        wrong(
            "weights in fp32",
            "Your function still stores 32 bits for each weight; a weight is stored as a label of bitwidth bits.",
            ("tensor.numel() * bitwidth", "tensor.numel() * 32"),
        ),
        wrong(
            "first dimension only",
            "Your function counts weights along the first dimension only; count all elements of the tensor.",
            ("tensor.numel()", "len(tensor)"),
        ),
        wrong(
            "a matrix only",
            "Your function multiplies two dimensions only; a tensor may have one or four: count all elements.",
            ("tensor.numel()", "tensor.shape[0] * tensor.shape[1]"),
        ),
        wrong(
            "used centroids only",
            "Your function leaves centroids out where the tensor has few values; all of them are stored.",
            ("2**bitwidth * 32", "min(2**bitwidth, len(tensor.unique())) * 32"),
        ),
        wrong(
            "no more centroids than weights",
            "Your function stores no more centroids than there are weights; all of them are stored, also empty ones.",
            ("2**bitwidth * 32", "min(2**bitwidth, tensor.numel()) * 32"),
        ),
        wrong(
            "in bytes",
            "Your function answers in bytes; the size is asked for in bits.",
            (
                "return tensor.numel() * bitwidth + 2**bitwidth * 32",
                "return (tensor.numel() * bitwidth + 2**bitwidth * 32) // 8",
            ),
        ),
    ),
    alternatives=(
        right(
            "product of the shape",
            """
            import math

            def codebook_size_bits(weight, bits):
                label_bits = math.prod(weight.shape) * bits
                centroid_bits = 32 << bits
                return label_bits + centroid_bits
            """,
        ),
        right(
            "from a column",
            """
            CENTROID_BITS = 32

            def codebook_size_bits(tensor, bitwidth):
                count = len(tensor.reshape(-1, 1))
                return sum([count * bitwidth, CENTROID_BITS * pow(2, bitwidth)])
            """,
        ),
        right(
            "loop over the dimensions",
            """
            def codebook_size_bits(t: torch.Tensor, b: int) -> int:
                bits = b
                for length in t.size():
                    bits *= length
                for _ in range(2**b):
                    bits += 32
                return bits
            """,
        ),
        right(
            "numpy",
            """
            import numpy as np

            def codebook_size_bits(tensor, bitwidth):
                labels = np.zeros(tuple(tensor.shape), dtype=np.int64)
                centroids = np.zeros(2**bitwidth, dtype=np.float32)
                return labels.size * bitwidth + 8 * centroids.nbytes
            """,
        ),
        right(
            "answer as a tensor",
            """
            def codebook_size_bits(tensor, bitwidth):
                labels = torch.full(tensor.shape, bitwidth)
                centroids = torch.full((2**bitwidth,), 32)
                return labels.sum() + centroids.sum()
            """,
        ),
    ),
)

COLOURS = Bank(
    "answer_2_2",
    misconceptions=(
        wrong(
            "two for each bit",
            "Your formula adds two colours for each bit; every further bit doubles their number.",
            ("2**n", "2 * n"),
        ),
        wrong(
            "squares the bits",
            "Your formula squares n, which is right for 2 and 4 only; every further bit must double the number.",
            ("2**n", "n**2"),
        ),
        wrong(
            "largest label",
            "Your formula gives the largest label; labels begin at 0, so there is one colour more.",
            ("2**n", "2**n - 1"),
        ),
        wrong(
            "one bit for the sign",
            "Your formula keeps one bit for a sign; a label has no sign, so all n bits count.",
            ("2**n", "2 ** (n - 1)"),
        ),
        wrong(
            "one bit too many",
            "Your formula gives twice as many colours as n bits can tell apart; one bit must give two.",
            ("2**n", "2 ** (n + 1)"),
        ),
        wrong(
            "exclusive or",
            "In Python 2 ^ n is the exclusive or of two integers; a power is written with two asterisks.",
            ("2**n", "2 ^ n"),
        ),
        wrong(
            "one for each bit",
            "Your formula gives one colour for each bit; count the different patterns that n bits can form.",
            ("2**n", "n"),
        ),
        wrong(
            "always four bits",
            "Your function always answers for 4 bits, whatever n is; let the number of colours depend on n.",
            ("2**n", "16"),
        ),
        wrong(
            "bits as three channels",
            "Your formula takes n bits for each of three colour channels; here one label of n bits picks the colour.",
            ("2**n", "2 ** (3 * n)"),
        ),
        wrong(
            "prints the number",
            "Your function prints the number and returns nothing; return it.",
            ("return 2**n", "print(2**n)"),
        ),
    ),
    alternatives=(
        right("shift", "answer_2_2 = lambda n: 1 << n"),
        right(
            "doubling in a loop",
            """
            def answer_2_2(bits):
                colours = 1
                for _ in range(bits):
                    colours += colours
                return colours
            """,
        ),
        right(
            "recursive",
            """
            def answer_2_2(n: int) -> int:
                if n <= 1:
                    return 2
                return 2 * answer_2_2(n - 1)
            """,
        ),
        right(
            "counts the patterns",
            """
            from itertools import product

            def answer_2_2(n):
                return sum(1 for _ in product("01", repeat=n))
            """,
        ),
        right(
            "power from math",
            """
            import math

            def answer_2_2(n):
                return int(math.pow(2, n))
            """,
        ),
        right("from its binary digits", "def answer_2_2(n: int) -> int:\n    return int('1' * n, 2) + 1"),
        right("power of a tensor", "def answer_2_2(n):\n    return torch.tensor(2).pow(n).item()"),
    ),
)
