"""Cases of lab 1: k-means quantization and trained centroids (``codebooks``), sizes and short answers (``sizes``)."""

from .codebooks import QUANTIZE, UPDATE
from .sizes import ANSWER_2_1, CODEBOOK_SIZE, COLOURS, HUFFMAN

ITEMS = (QUANTIZE, ANSWER_2_1, COLOURS, CODEBOOK_SIZE, HUFFMAN, UPDATE)
