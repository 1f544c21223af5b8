"""Write docs/results.md: each published figure of the labs beside ours, from the full runs kept in benchmarks/results.

``qlab run LAB`` leaves a metrics.json; a copy of it in benchmarks/results/LAB.json is what the table is made of. Run
``python benchmarks/results_table.py`` after a new one. A figure that no run has measured is shown as such, not guessed.
"""

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
CHECKPOINT = ROOT / "qlab_helpers" / "checkpoints" / "vgg_cifar10.json"
TARGET = ROOT / "docs" / "results.md"

#: lab, what, unit, published figure, name of ours in metrics.json
ROWS = (
    ("lab1_kmeans", "fp32 accuracy", "%", 92.75, "fp32_accuracy"),
    ("lab1_kmeans", "fp32 size", "MiB", 35.20, "fp32_mib"),
    ("lab1_kmeans", "8 bit, size of the labels", "MiB", 8.80, "kmeans_8bit_mib"),
    ("lab1_kmeans", "8 bit accuracy, not trained", "%", 92.75, "kmeans_8bit_accuracy_before"),
    ("lab1_kmeans", "4 bit, size of the labels", "MiB", 4.40, "kmeans_4bit_mib"),
    ("lab1_kmeans", "4 bit accuracy, not trained", "%", 84.01, "kmeans_4bit_accuracy_before"),
    ("lab1_kmeans", "the same, clustered by fast_pytorch_kmeans", "%", 84.01, "library_4bit_accuracy_before"),
    ("lab1_kmeans", "4 bit accuracy, trained", "%", 92.31, "kmeans_4bit_accuracy_after"),
    ("lab1_kmeans", "2 bit, size of the labels", "MiB", 2.20, "kmeans_2bit_mib"),
    ("lab1_kmeans", "2 bit accuracy, not trained", "%", 12.26, "kmeans_2bit_accuracy_before"),
    ("lab1_kmeans", "the same, clustered by fast_pytorch_kmeans", "%", 12.26, "library_2bit_accuracy_before"),
    ("lab1_kmeans", "2 bit accuracy, trained", "%", 91.46, "kmeans_2bit_accuracy_after"),
    ("lab2_linear", "fp32 accuracy", "%", 92.75, "fp32_accuracy"),
    ("lab2_linear", "accuracy with BatchNorm fused", "%", 92.75, "fused_accuracy"),
    ("lab2_linear", "int8 accuracy", "%", "92.65 to 92.95", "int8_accuracy"),
    ("lab2_linear", "int8 accuracy lost", "points", "-0.20 to 0.10", "int8_drop"),
    ("lab2_linear", "int8 size", "MiB", None, "int8_mib"),
    ("lab2_linear", "weights at 4 bits per channel, accuracy", "%", None, "weights_4bit_accuracy"),
    ("lab2_linear", "weights at 2 bits per channel, accuracy", "%", None, "weights_2bit_accuracy"),
    ("lab3_observers", "fp32 file", "MB", 5.91, "fp32_mb"),
    ("lab3_observers", "fp32 accuracy, Adam", "%", 72.25, "adam_accuracy"),
    ("lab3_observers", "fp32 accuracy, SGD and cosine", "%", 84.60, "sgd_accuracy"),
    ("lab3_observers", "power-of-two file", "MB", None, "quantized_mb"),
    ("lab3_observers", "power-of-two accuracy", "%", None, "power_of_two_accuracy"),
    ("lab3_observers", "energy of 128 -> 10, fp32", "pJ", 5888, "energy_fp32_pj"),
    ("lab3_observers", "energy of 128 -> 10, powers of two", "pJ", 422.8, "energy_power_of_two_pj"),
    ("lab4_ptq_qat", "ResNet-50, fp32 file", "MB", 94.41, "resnet50_fp32_mb"),
    ("lab4_ptq_qat", "the same in the unit of the other report", "MiB", 90.03, "resnet50_fp32_mib"),
    ("lab4_ptq_qat", "ResNet-50, file after PTQ", "MB", 23.66, "resnet50_ptq_mb"),
    ("lab4_ptq_qat", "the same in the unit of the other report", "MiB", 22.57, "resnet50_ptq_mib"),
    ("lab4_ptq_qat", "ResNet-50, file after QAT", "MB", 24.12, "resnet50_qat_mb"),
    ("lab4_ptq_qat", "the same in the unit of the other report", "MiB", 22.57, "resnet50_qat_mib"),
    ("lab4_ptq_qat", "ResNet-50, fp32 accuracy", "%", "92.72, 93.96", "resnet50_fp32_accuracy"),
    ("lab4_ptq_qat", "ResNet-50, accuracy after PTQ", "%", "92.37, 92.99", "resnet50_ptq_accuracy"),
    ("lab4_ptq_qat", "ResNet-50, accuracy after QAT", "%", "92.15, 93.97", "resnet50_qat_accuracy"),
    ("lab4_ptq_qat", "small ResNet, fp32 file", "MB", None, "network_mb"),
    ("lab4_ptq_qat", "small ResNet, file after PTQ", "MB", None, "ptq_mb"),
    ("lab4_ptq_qat", "small ResNet, fp32 accuracy", "%", None, "network_accuracy"),
    ("lab4_ptq_qat", "small ResNet, accuracy after PTQ", "%", None, "ptq_accuracy"),
    ("lab4_ptq_qat", "small ResNet, accuracy lost by PTQ", "points", None, "ptq_drop"),
    ("lab4_ptq_qat", "small ResNet, accuracy after QAT, mean of seeds", "%", None, "qat_accuracy"),
    ("lab4_ptq_qat", "small ResNet, accuracy lost by QAT", "points", None, "qat_drop"),
    ("lab5_lenet", "fp32 file", "kB", 250.382, "fp32_kb"),
    ("lab5_lenet", "dynamic file", "kB", 219.062, "dynamic_kb"),
    ("lab5_lenet", "static file", "kB", 75.466, "static_kb"),
    ("lab5_lenet", "fp32 accuracy", "%", 97.19, "lenet_accuracy"),
    ("lab5_lenet", "dynamic accuracy", "%", 97.19, "dynamic_accuracy"),
    ("lab5_lenet", "static accuracy, not calibrated", "%", 95.70, "as_reported_accuracy"),
    ("lab5_lenet", "static accuracy, calibrated", "%", None, "static_accuracy"),
    ("lab5_lenet", "accuracy lost without calibration", "points", 1.49, "as_reported_drop"),
    ("lab5_lenet", "accuracy lost with calibration", "points", None, "static_drop"),
    ("lab5_lenet", "dynamic, time of 1,000 images against fp32", "times", 1.02, "dynamic_time_ratio"),
    ("lab5_lenet", "static, time of 1,000 images against fp32", "times", 1.01, "static_time_ratio"),
    ("lab6_pruning", "dense accuracy", "%", None, "dense_accuracy"),
    ("lab6_pruning", "dense size", "MiB", None, "dense_mib"),
    ("lab6_pruning", "MACs of one image, dense", "millions", None, "dense_mmacs"),
    ("lab6_pruning", "fine-grained: accuracy before training", "%", None, "pruned_accuracy"),
    ("lab6_pruning", "fine-grained: accuracy after training", "%", None, "pruned_tuned_accuracy"),
    ("lab6_pruning", "fine-grained: size, values alone", "MiB", None, "sparse_values_mib"),
    ("lab6_pruning", "fine-grained: size with positions", "MiB", None, "sparse_stored_mib"),
    ("lab6_pruning", "without the last 30 % of channels, accuracy", "%", None, "first_channels_accuracy"),
    ("lab6_pruning", "without the least important 30 % of channels, accuracy", "%", None, "best_channels_accuracy"),
    ("lab6_pruning", "the same, trained", "%", None, "channels_tuned_accuracy"),
    ("lab6_pruning", "30 % of channels removed: MACs reduced by", "times", "roughly 2", "channels_macs_reduction"),
    ("lab6_pruning", "30 % of channels removed: parameters reduced by", "times", None, "channels_parameters_reduction"),
    (
        "lab6_pruning",
        "30 % of channels removed: latency on a CPU reduced by",
        "times",
        None,
        "channels_latency_reduction",
    ),
    ("lab6_pruning", "pruned, 4 bits: accuracy", "%", None, "stages_4bit_accuracy"),
    ("lab6_pruning", "pruned, 4 bits: size", "MiB", None, "stages_4bit_mib"),
    ("lab6_pruning", "pruned, 4 bits, Huffman-coded: size", "MiB", None, "stages_4bit_huffman_mib"),
)
#: Figures that only a run on a GPU reports.
NEEDS_GPU = ("resnet50_fp32_accuracy", "resnet50_ptq_accuracy", "resnet50_qat_accuracy")
EXPLANATION = """\
Why ours differ:

- **Another checkpoint.** Ours was trained on two CPU cores, on a copy of CIFAR-10 stored as JPEG; its record is
  `qlab_helpers/checkpoints/vgg_cifar10.json`. What can be compared is what quantization costs, not the accuracy.
- **4 and 2 bits before training** are better than published because the clustering is: `fast_pytorch_kmeans` stops
  when the squared movement of the centroids falls below an absolute 1e-4, which weights of this size do at once.
  `KMeans1d` goes on until nothing moves. The rows "clustered by fast_pytorch_kmeans" repeat the homework's way.
- **After training**: at most two epochs here instead of five, a cosine over all batches instead of one that swings
  every ten, and the accuracy of the last epoch instead of the best one.
- **int8**: calibrated on one batch of training images. Average pooling rounds where the homework truncates, and each
  layer takes over the output scale of the one before it.
- **Sizes of ResNet-50** need no training: the files of networks with random weights are measured. The two reports give
  one size in two units, millions of bytes and MiB. Their drops are not quoted, because both were computed wrongly.
- **LeNet** is trained for longer than in the report, and on images between 0 and 1. Its files were written by another
  PyTorch. The report's times are one pass over the test images with their loading; ours are medians on one thread.
- **lab6_pruning**: the homework has questions and no figures, but for one: 30 % of the channels are "roughly" half of
  the computation. Fine-tuning wants a GPU: five epochs there, one on a CPU.
- **Sizes** of labs 1, 2 and 6 count what the homework counts: the labels at their bit width, for all parameters.
  int8 counts everything that is stored.
"""


def table(runs: dict[str, dict[str, Any]]) -> str:
    lines = ["| lab | figure | published | here |", "|---|---|---|---|"]
    for lab, what, unit, published, name in ROWS:
        ours = runs.get(lab, {}).get("figures", {}).get(name)
        missing = "needs a GPU" if name in NEEDS_GPU else "not measured yet"
        lines.append(f"| {lab} | {what}, {unit} | {_text(published, '')} | {_text(ours, missing)} |")
    return "\n".join(lines)


def page() -> str:
    """The whole document."""
    runs = {path.stem: json.loads(path.read_text()) for path in sorted(RESULTS.glob("*.json"))}
    notes = "".join(f"- {lab}: {note}\n" for lab, run in runs.items() for note in _notes(run))
    return (
        "# Results\n\nPublished figures of the labs beside ours, from full runs (`qlab run LAB`, all 10,000 test"
        " images). Made by\n`python benchmarks/results_table.py` from `benchmarks/results/`.\n\n"
        f"{table(runs)}\n\n{notes}{'' if not notes else chr(10)}{EXPLANATION}"
    )


def _notes(run: dict[str, Any]) -> list[str]:
    """What the run itself says, and whether it stood on the checkpoint that is shipped now."""
    notes = [run["note"]] if run.get("note") else []
    shipped = json.loads(CHECKPOINT.read_text())["accuracy_percent"]
    measured = run.get("figures", {}).get("fp32_accuracy")
    if measured is not None and abs(measured - shipped) > 0.005:
        notes.append(
            f"run with an earlier checkpoint ({measured:.2f} %); the one that is shipped now has {shipped:.2f} %."
        )
    return notes


def _text(value: Any, missing: str) -> str:
    return missing if value is None else f"{value:.2f}" if isinstance(value, float | int) else str(value)


if __name__ == "__main__":
    TARGET.write_text(page())
