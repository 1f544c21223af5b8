"""Implementations of ``update_codebook``."""

from autograder.bank import Bank, right, wrong

USED = "centroids[used] = (sums[used] / counts[used]).to(centroids.dtype)"
COUNTS = "torch.bincount(labels, minlength=len(centroids))"

UPDATE = Bank(
    "update_codebook",
    misconceptions=(
        wrong(
            "mean of nothing",
            "Your function divides 0 by 0 for an empty cluster, which is NaN; such a cluster keeps its centroid.",
            (USED, "centroids[:] = sums / counts"),
        ),
        wrong(
            "empty cluster at zero",
            "Your function sets the centroid of an empty cluster to 0; such a cluster keeps its centroid.",
            (USED, "centroids[:] = sums / counts.clamp(min=1)"),
        ),
        wrong(
            "empty where the sum is zero",
            "Your function takes a cluster for empty when its weights add up to 0; look at the number of its weights.",
            ("counts > 0", "sums != 0"),
        ),
        wrong(
            "clusters counted by the labels",
            "Your function finds fewer clusters when the last ones are empty; their number is that of the centroids.",
            (COUNTS, "torch.bincount(labels)"),
            (".double(), minlength=len(centroids))", ".double())"),
        ),
        wrong(
            "skips empty places",
            "Your function numbers the clusters that are used anew; each mean belongs to the centroid of its label.",
            (USED, "centroids[: used.sum()] = (sums[used] / counts[used]).to(centroids.dtype)"),
        ),
        wrong(
            "sixteen clusters",
            "Your function updates at most 16 centroids; update all, however many the codebook has.",
            ("used = counts > 0", "used = (counts > 0) & (torch.arange(len(counts)) < 16)"),
        ),
        wrong(
            "codebook left as it was",
            "Your function leaves the codebook as it was; write the means into its own tensor of centroids.",
            (USED, "centroids = torch.where(used, (sums / counts).to(centroids.dtype), centroids)"),
        ),
        wrong(
            "sums",
            "Your function sets a centroid to the sum of its weights; divide by how many they are.",
            ("sums[used] / counts[used]", "sums[used]"),
        ),
        wrong(
            "divided by all weights",
            "Your function divides by the number of all weights; divide by the number of those in the cluster.",
            ("sums[used] / counts[used]", "sums[used] / len(labels)"),
        ),
        wrong(
            "old centroid counted",
            "Your function counts the old centroid as one more weight; the mean is that of the weights alone.",
            ("sums[used] / counts[used]", "(sums[used] + centroids[used]) / (counts[used] + 1)"),
        ),
        wrong(
            "half way",
            "Your function moves centroids half of the way to the mean; move them all the way.",
            ("sums[used] / counts[used]", "(sums[used] / counts[used] + centroids[used]) / 2"),
        ),
        wrong(
            "median",
            "Your function takes the median of the weights in a cluster; take their mean.",
            (USED, "for k in labels.unique():\n        centroids[k] = fp32_tensor.reshape(-1)[labels == k].median()"),
        ),
        wrong(
            "middle of the cluster",
            "Your function takes the middle between the smallest and the largest weight; take the mean of all.",
            (
                USED,
                "for k in labels.unique():\n"
                "        chosen = fp32_tensor.reshape(-1)[labels == k]\n"
                "        centroids[k] = (chosen.min() + chosen.max()) / 2",
            ),
        ),
        wrong(
            "nearest centroid",
            "Your function gives weights the nearest centroid anew; labels stay what they are.",
            (
                "centroids, labels = codebook",
                "centroids = codebook.centroids\n"
                "    labels = (fp32_tensor.reshape(-1, 1) - centroids).abs().argmin(dim=1)",
            ),
        ),
        wrong(
            "labels changed",
            "Your function writes new labels into the codebook; only centroids are updated.",
            (USED, USED + "\n    labels[:] = (fp32_tensor.reshape(-1, 1) - centroids).abs().argmin(dim=1)"),
        ),
        wrong(
            "clusters again",
            "Your function clusters the weights again; take the mean for each label, as the codebook has them.",
            (
                USED,
                'kmeans = KMeans(n_clusters=len(centroids), mode="euclidean")\n'
                "    kmeans.fit(fp32_tensor.reshape(-1, 1))\n"
                "    centroids[:] = kmeans.centroids.reshape(-1)",
            ),
        ),
        wrong(
            "decodes into the tensor",
            "Your function also overwrites the weights with their centroids; leave the tensor as it is.",
            (USED, USED + "\n    fp32_tensor.copy_(centroids[labels].reshape(fp32_tensor.shape))"),
        ),
        wrong(
            "view of any tensor",
            "Your function calls view, which refuses a tensor that is not contiguous; reshape takes any.",
            ("fp32_tensor.reshape(-1).double()", "fp32_tensor.view(-1).double()"),
        ),
        wrong(
            "order of the memory",
            "Your function reads the weights in the order of the memory; labels are in the order of reshape(-1).",
            (
                "fp32_tensor.reshape(-1).double()",
                "fp32_tensor.as_strided((fp32_tensor.numel(),), (1,)).double()",
            ),
        ),
        wrong(
            "weights of one row",
            "Your function takes the tensor as one row, which it need not be; bring the weights into one row first.",
            ("fp32_tensor.reshape(-1).double()", "fp32_tensor.double()"),
        ),
    ),
    alternatives=(
        right(
            "loop over the clusters",
            """
            def update_codebook(weights, book):
                flat = weights.flatten()
                for number in range(book.centroids.numel()):
                    members = flat[book.labels == number]
                    if len(members) == 0:
                        continue
                    book.centroids[number] = members.mean()
            """,
        ),
        right(
            "labels in the tensor's shape",
            """
            def update_codebook(fp32_tensor: torch.Tensor, codebook: Codebook) -> None:
                where = codebook.labels.view(fp32_tensor.shape)
                for k in range(int(where.max()) + 1):  # clusters beyond the largest label are empty
                    if torch.any(where == k):
                        codebook.centroids[k : k + 1].fill_(fp32_tensor.masked_select(where == k).mean().item())
            """,
        ),
        right(
            "scatter_reduce",
            """
            def update_codebook(fp32_tensor, codebook):
                means, index = codebook
                means.scatter_reduce_(0, index, fp32_tensor.reshape(-1), reduce="mean", include_self=False)
            """,
        ),
        right(
            "index_add in float32",
            """
            def update_codebook(fp32_tensor, codebook):
                zeros = torch.zeros_like(codebook[0])
                flat = fp32_tensor.contiguous().view(-1)
                total = zeros.index_add(0, codebook[1], flat)
                number = zeros.index_add(0, codebook[1], torch.ones_like(flat))
                codebook[0].copy_(torch.where(number > 0, torch.div(total, number), codebook[0]))
            """,
        ),
        right(
            "NaN replaced",
            """
            def update_codebook(fp32_tensor, codebook):
                k = codebook.centroids.size(0)
                n = codebook.labels.bincount(minlength=k)
                means = codebook.labels.bincount(fp32_tensor.ravel(), minlength=k) / n
                means[means.isnan()] = codebook.centroids[means.isnan()].to(means.dtype)
                codebook.centroids[...] = means
            """,
        ),
        right(
            "one-hot matrix",
            """
            def update_codebook(fp32_tensor, codebook):
                hot = nn.functional.one_hot(codebook.labels, len(codebook.centroids)).double()
                sums = fp32_tensor.double().reshape(1, -1) @ hot
                counts = hot.sum(dim=0)
                filled = counts.nonzero().squeeze(1)
                codebook.centroids.index_copy_(0, filled, (sums[0, filled] / counts[filled]).float())
            """,
        ),
        right(
            "sorted by label, with numpy",
            """
            import numpy as np

            def update_codebook(fp32_tensor, codebook):
                labels, centroids = codebook.labels.numpy(), codebook.centroids.numpy()
                weights = np.ascontiguousarray(fp32_tensor.detach().numpy()).reshape(-1)
                order = np.argsort(labels, kind="stable")
                used, first = np.unique(labels[order], return_index=True)
                for k, members in zip(used, np.split(weights[order], first[1:])):
                    centroids[k] = members.mean(dtype=np.float64)
            """,
        ),
    ),
    equivalent={
        "4: .double() -> nothing": "float32 sums, which the text does not forbid, stay within the tolerance",
        "4: double -> float": "float32 sums, which the text does not forbid, stay within the tolerance",
    },
)
