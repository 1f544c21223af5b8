"""Implementations of ``k_means_quantize``; the right ones are in ``clusterings``."""

from autograder.bank import Bank, wrong

from .clusterings import CLUSTERINGS

CLUSTERS = "n_clusters=2**bitwidth"
NEW = "Codebook(kmeans.centroids.reshape(-1).to(torch.float32), labels)"
DECODE = "fp32_tensor.copy_(codebook.centroids[codebook.labels].reshape(fp32_tensor.shape))"

QUANTIZE = Bank(
    "k_means_quantize",
    misconceptions=(
        wrong(
            "two clusters for each bit",
            "Your function makes two clusters for each bit; every further bit doubles their number.",
            (CLUSTERS, "n_clusters=2 * bitwidth"),
        ),
        wrong(
            "squares the bits",
            "Your function squares the bit width to get the clusters; every further bit must double their number.",
            (CLUSTERS, "n_clusters=bitwidth**2"),
        ),
        wrong(
            "one cluster for each bit",
            "Your function makes one cluster for each bit; a label of b bits tells many more apart.",
            (CLUSTERS, "n_clusters=bitwidth"),
        ),
        wrong(
            "exclusive or",
            "In Python 2 ^ bitwidth is the exclusive or of two integers; a power is written with two asterisks.",
            (CLUSTERS, "n_clusters=max(1, 2 ^ bitwidth)"),
        ),
        wrong(
            "one cluster too few",
            "Your function makes one cluster too few: labels begin at 0, so the largest label is not their number.",
            (CLUSTERS, "n_clusters=2**bitwidth - 1"),
        ),
        wrong(
            "one bit for the sign",
            "Your function makes half as many clusters as it may; labels have no sign, so all bits count.",
            (CLUSTERS, "n_clusters=2 ** (bitwidth - 1)"),
        ),
        wrong(
            "one bit too many",
            "Your function makes twice as many clusters as labels of this bit width can tell apart.",
            (CLUSTERS, "n_clusters=2 ** (bitwidth + 1)"),
        ),
        wrong(
            "another default",
            "Your function uses 8 bits when the caller gives no bit width; the default is 4.",
            ("bitwidth: int = 4", "bitwidth: int = 8"),
        ),
        wrong(
            "cosine distance",
            "Your function compares directions, of which numbers have only two; use the euclidean mode.",
            ('bitwidth, mode="euclidean"', 'bitwidth, mode="cosine"'),
        ),
        wrong(
            "clusters the rows",
            "Your function clusters the rows of the tensor; turn it into one column, so that every weight is a point.",
            ("fp32_tensor.reshape(-1, 1)", "fp32_tensor.reshape(len(fp32_tensor), -1)"),
        ),
        wrong(
            "view of any tensor",
            "Your function calls view, which refuses a tensor that is not contiguous; reshape takes any.",
            ("fp32_tensor.reshape(-1, 1)", "fp32_tensor.view(-1, 1)"),
        ),
        wrong(
            "writes into a copy",
            "Your function writes into reshape's result, a copy if the tensor is not contiguous; write to the tensor.",
            (DECODE, "fp32_tensor.reshape(-1).copy_(codebook.centroids[codebook.labels])"),
        ),
        wrong(
            "binds the name anew",
            "Your function gives the decoded tensor the parameter's name; the caller's tensor must change in place.",
            (DECODE, "fp32_tensor = codebook.centroids[codebook.labels].reshape(fp32_tensor.shape)"),
        ),
        wrong(
            "loses the shape",
            "Your function leaves the tensor as one row; give the decoded values the shape of the tensor.",
            (DECODE, "fp32_tensor.data = codebook.centroids[codebook.labels]"),
        ),
        wrong(
            "sorts the centroids",
            "Your function sorts the centroids and leaves the labels as they were, so labels point at wrong centroids.",
            (NEW, "Codebook(kmeans.centroids.reshape(-1).sort().values, labels)"),
        ),
        wrong(
            "labels of another clustering",
            "Your function clusters twice, from two random starts; take labels and centroids from the same clustering.",
            ("codebook = Codebook(", "kmeans.fit(fp32_tensor.reshape(-1, 1))\n        codebook = Codebook("),
        ),
        wrong(
            "labels in int32",
            "Your function returns labels in another type; they must be int64.",
            (NEW, "Codebook(kmeans.centroids.reshape(-1), labels.to(torch.int32))"),
        ),
        wrong(
            "labels before centroids",
            "Your function returns labels and centroids in the wrong order; a codebook holds the centroids first.",
            ("return codebook", "return codebook.labels, codebook.centroids"),
        ),
        wrong(
            "returns the tensor",
            "Your function returns the quantized tensor; return the codebook, as the tensor is changed in place.",
            ("return codebook", "return fp32_tensor"),
        ),
        wrong(
            "returns nothing",
            "Your function returns nothing; return the codebook.",
            ("    return codebook\n", ""),
        ),
        wrong(
            "ignores the codebook",
            "Your function clusters also when a codebook is given; decode that one and make no other.",
            ("if codebook is None:", "if True:"),
        ),
        wrong(
            "nearest in the codebook",
            "Your function gives weights the nearest centroid of a given codebook; its labels say which one to take.",
            (
                "    " + DECODE,
                "    nearest = (fp32_tensor.reshape(-1, 1) - codebook.centroids).abs().argmin(dim=1)\n"
                "    codebook = Codebook(codebook.centroids, nearest)\n    " + DECODE,
            ),
        ),
        wrong(
            "clusters on from the codebook",
            "Your function clusters on from the centroids of a given codebook; decode it as it is.",
            (
                "if codebook is None:",
                "start = None if codebook is None else codebook.centroids.reshape(-1, 1)\n    if True:",
            ),
            (".fit_predict(fp32_tensor.reshape(-1, 1))", ".fit_predict(fp32_tensor.reshape(-1, 1), centroids=start)"),
        ),
        wrong(
            "updates the codebook",
            "Your function moves the centroids of a given codebook to the means of its clusters; decode it as it is.",
            (
                "    " + DECODE,
                "    for k in codebook.labels.unique():\n"
                "        codebook.centroids[k] = fp32_tensor.reshape(-1)[codebook.labels == k].mean()\n    " + DECODE,
            ),
        ),
        wrong(
            "codebook not decoded",
            "Your function returns a given codebook at once; the tensor must be overwritten in this case, too.",
            ("    fp32_tensor.copy_", "        fp32_tensor.copy_"),
        ),
        wrong(
            "codebook not returned",
            "Your function returns nothing when a codebook is given; return that codebook.",
            ("    if codebook", f"    if codebook is not None:\n        {DECODE}\n        return\n    if codebook"),
        ),
        wrong(
            "codebook must fit the bits",
            "Your function refuses a given codebook whose size is not that of the bit width; do not use the bit width.",
            ("    " + DECODE, "    assert len(codebook.centroids) == 2**bitwidth\n    " + DECODE),
        ),
        wrong(
            "drops empty clusters",
            "Your function drops centroids that no label points at; leave a codebook as it is.",
            (
                "    " + DECODE,
                "    used, labels = codebook.labels.unique(return_inverse=True)\n"
                "    codebook = Codebook(codebook.centroids[used], labels)\n    " + DECODE,
            ),
        ),
        wrong(
            "even grid",
            "Your function lays an even grid over the range; cluster, so that centroids lie where the weights are.",
            (
                'kmeans = KMeans(n_clusters=2**bitwidth, mode="euclidean")',
                "grid = torch.linspace(float(fp32_tensor.min()), float(fp32_tensor.max()), 2**bitwidth)",
            ),
            (
                "kmeans.fit_predict(fp32_tensor.reshape(-1, 1)).to(torch.int64)",
                "(fp32_tensor.reshape(-1, 1) - grid).abs().argmin(dim=1)",
            ),
            ("kmeans.centroids.reshape(-1).to(torch.float32)", "grid"),
        ),
        wrong(
            "equally many weights in each",
            "Your function makes clusters of equally many weights; put together weights that are near each other.",
            """
            def k_means_quantize(fp32_tensor, bitwidth=4, codebook=None):
                if codebook is None:
                    flat = fp32_tensor.reshape(-1)
                    labels = flat.argsort().argsort() * 2**bitwidth // len(flat)
                    centroids = torch.zeros(2**bitwidth)
                    for k in labels.unique():
                        centroids[k] = flat[labels == k].mean()
                    codebook = Codebook(centroids, labels)
                fp32_tensor.copy_(codebook.centroids[codebook.labels].reshape(fp32_tensor.shape))
                return codebook
            """,
        ),
        wrong(
            "mean of an empty cluster",
            "Your function takes the mean of an empty cluster, which is NaN; let such a cluster keep its centroid.",
            """
            def k_means_quantize(fp32_tensor, bitwidth=4, codebook=None):
                if codebook is None:
                    points = fp32_tensor.reshape(-1)
                    centroids = points[torch.linspace(0, len(points) - 1, 2**bitwidth).long()]
                    for _ in range(50):
                        labels = (points[:, None] - centroids).abs().argmin(dim=1)
                        centroids = torch.stack([points[labels == k].mean() for k in range(2**bitwidth)])
                    codebook = Codebook(centroids, labels)
                fp32_tensor.copy_(codebook.centroids[codebook.labels].reshape(fp32_tensor.shape))
                return codebook
            """,
        ),
        wrong(
            "one step",
            "Your function takes a single step from random centroids; take steps until the centroids settle.",
            ('bitwidth, mode="euclidean"', 'bitwidth, mode="euclidean", max_iter=1'),
        ),
    ),
    alternatives=CLUSTERINGS,
    equivalent={
        "3: , mode='euclidean' -> nothing": "it is the default of KMeans",
        "4: .to(torch.int64) -> nothing": "fit_predict returns int64",
        "5: .to(torch.float32) -> nothing": "centroids of float32 values are float32",
        "5: reshape(-1). -> nothing": "centroids of shape (k, 1) decode to the same tensor and are accepted",
    },
)
