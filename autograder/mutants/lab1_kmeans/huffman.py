"""Implementations of ``huffman_size_bits``."""

from autograder.bank import Bank, right, wrong

HUFFMAN = Bank(
    "huffman_size_bits",
    misconceptions=(
        wrong(
            "labels of equal length",
            "Your function gives all labels words of equal length; a Huffman code gives frequent ones shorter words.",
            """
            import math

            def huffman_size_bits(labels):
                return len(labels) * math.ceil(math.log2(len(labels.unique())))
            """,
        ),
        wrong(
            "entropy",
            "Your function gives the entropy; code words have whole bits, so build the tree and count its merges.",
            """
            def huffman_size_bits(labels):
                counts = labels.unique(return_counts=True)[1]
                shares = counts / counts.sum()
                return round(float(-(counts * shares.log2()).sum()))
            """,
        ),
        wrong(
            "Shannon's word lengths",
            "Your function rounds each label's entropy up to whole bits; merging the two rarest does better.",
            """
            import math

            def huffman_size_bits(labels):
                counts = labels.unique(return_counts=True)[1].tolist()
                return sum(count * math.ceil(math.log2(len(labels) / count)) for count in counts)
            """,
        ),
        wrong(
            "longest word for all",
            "Your function gives every label the longest code word; a weight costs the depth of its own leaf.",
            """
            def huffman_size_bits(labels):
                tree = [(count, 0) for count in labels.unique(return_counts=True)[1].tolist()]
                heapq.heapify(tree)
                while len(tree) > 1:
                    (one, depth), (other, other_depth) = heapq.heappop(tree), heapq.heappop(tree)
                    heapq.heappush(tree, (one + other, max(depth, other_depth) + 1))
                return len(labels) * tree[0][1]
            """,
        ),
        wrong(
            "labels for counts",
            "Your function merges the labels themselves; merge the numbers of times that they occur.",
            ("labels.unique(return_counts=True)[1].tolist()", "labels.tolist()"),
        ),
        wrong(
            "each label once",
            "Your function counts each label once; begin with how often each of them occurs.",
            ("labels.unique(return_counts=True)[1].tolist()", "[1] * len(labels.unique())"),
        ),
        wrong(
            "counts of zero",
            "Your function gives code words to numbers that never occur; leave counts of zero out.",
            ("labels.unique(return_counts=True)[1].tolist()", "labels.bincount().tolist()"),
        ),
        wrong(
            "no heap",
            "Your function pops from a list that is not in heap order yet; the first element need not be the smallest.",
            ("    heapq.heapify(counts)\n", ""),
        ),
        wrong(
            "sorted once",
            "Your function sorts only once; a merged number must take its place among those that are left.",
            ("heapq.heapify(counts)", "counts.sort()"),
            ("heapq.heappop(counts) + heapq.heappop(counts)", "counts.pop(0) + counts.pop(0)"),
            ("heapq.heappush(counts, merged)", "counts.append(merged)"),
        ),
        wrong(
            "one long branch",
            "Your function always merges the sum so far with the next number; take the two smallest of those left.",
            ("heapq.heapify(counts)", "counts.sort()"),
            ("heapq.heappop(counts) + heapq.heappop(counts)", "counts.pop(0) + counts.pop(0)"),
            ("heapq.heappush(counts, merged)", "counts.insert(0, merged)"),
        ),
        wrong(
            "merges the two largest",
            "Your function merges the two largest numbers; merge the two smallest, so that rare labels get long words.",
            ("    heapq.heapify(counts)\n", ""),
            ("heapq.heappop(counts) + heapq.heappop(counts)", "counts.pop() + counts.pop()"),
            ("while len(counts) > 1:\n", "while len(counts) > 1:\n        counts.sort()\n"),
            ("heapq.heappush(counts, merged)", "counts.append(merged)"),
        ),
        wrong(
            "merged numbers dropped",
            "Your function does not put the sum back among the numbers; its weights get further bits later.",
            ("        heapq.heappush(counts, merged)\n", ""),
        ),
        wrong(
            "last merge not counted",
            "Your function stops before the last merge; go on until one number is left.",
            ("len(counts) > 1", "len(counts) > 2"),
        ),
        wrong(
            "counts begin the sum",
            "Your function adds the counts themselves; only merged numbers make code words longer.",
            ("total = 0", "total = len(labels)"),
        ),
        wrong(
            "counts the merges",
            "Your function counts the merges; each adds a bit to all weights below it, so add the merged number.",
            ("total += merged", "total += 1"),
        ),
        wrong(
            "one bit for one label",
            "Your function gives a single label one bit for each weight; with nothing to tell apart the answer is 0.",
            ("return total", "return total or len(labels)"),
        ),
        wrong(
            "mean length",
            "Your function gives the mean bits of a label; the total for all labels is asked for.",
            ("return total", "return total / len(labels)"),
        ),
    ),
    alternatives=(
        right(
            "depths of the leaves",
            """
            from collections import Counter
            from itertools import count

            def huffman_size_bits(labels):
                frequency = Counter(labels.tolist())
                ticket = count()
                heap = [(times, next(ticket), (label,)) for label, times in frequency.items()]
                heapq.heapify(heap)
                depth = dict.fromkeys(frequency, 0)
                while len(heap) > 1:
                    first, _, left = heapq.heappop(heap)
                    second, _, right = heapq.heappop(heap)
                    for label in left + right:
                        depth[label] += 1
                    heapq.heappush(heap, (first + second, next(ticket), left + right))
                return sum(frequency[label] * depth[label] for label in frequency)
            """,
        ),
        right(
            "sorts at every step",
            """
            def huffman_size_bits(labels: torch.Tensor) -> int:
                _, counts = torch.unique(labels, return_counts=True)
                numbers, bits = [int(c) for c in counts], 0
                while len(numbers) != 1:
                    numbers.sort(reverse=True)
                    numbers.append(numbers.pop() + numbers.pop())
                    bits += numbers[-1]
                return bits
            """,
        ),
        right(
            "two queues",
            """
            from collections import deque

            def huffman_size_bits(labels):
                leaves = deque(labels.unique(return_counts=True)[1].sort().values.tolist())
                nodes = deque()

                def smallest():
                    if not nodes or (leaves and leaves[0] <= nodes[0]):
                        return leaves.popleft()
                    return nodes.popleft()

                total = 0
                while len(leaves) + len(nodes) > 1:
                    nodes.append(smallest() + smallest())
                    total += nodes[-1]
                return total
            """,
        ),
        right(
            "recursive, with numpy",
            """
            import numpy as np

            def cost(counts):
                if len(counts) < 2:
                    return 0
                counts = np.sort(counts)
                merged = counts[0] + counts[1]
                return merged + cost(np.append(counts[2:], merged))

            def huffman_size_bits(labels):
                return int(cost(np.unique(labels.numpy(), return_counts=True)[1]))
            """,
        ),
        right(
            "a tree of tensors",
            """
            def huffman_size_bits(labels):
                if torch.all(labels == labels[0]):
                    return 0
                counts = torch.stack([(labels == label).sum() for label in labels.unique()])
                total = torch.zeros((), dtype=torch.int64)
                while counts.numel() > 1:
                    counts, _ = torch.sort(counts)
                    total = total + counts[:2].sum()
                    counts = torch.cat((counts[2:], counts[:2].sum(dim=0, keepdim=True)))
                return total.item()
            """,
        ),
        right(
            "heap replaced in place",
            """
            from heapq import heapify, heappop, heapreplace

            def huffman_size_bits(labels):
                words = {}
                for label in labels.tolist():
                    words[label] = words.get(label, 0) + 1
                queue = list(words.values())
                heapify(queue)
                bits = 0
                for _ in range(len(words) - 1):
                    smallest = heappop(queue)
                    node = smallest + queue[0]
                    heapreplace(queue, node)
                    bits += node
                return bits
            """,
        ),
    ),
)
