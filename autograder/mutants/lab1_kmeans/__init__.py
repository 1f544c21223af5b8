"""Wrong and right implementations for lab 1: codebooks, sizes and short answers, Huffman's bound, trained centroids."""

from .centroids import UPDATE
from .codebooks import QUANTIZE
from .huffman import HUFFMAN
from .sizes import CODEBOOK_SIZE, COLOURS

BANK = (QUANTIZE, COLOURS, CODEBOOK_SIZE, HUFFMAN, UPDATE)
