"""The solved labs, executed whole in fast mode on real data."""

import math
import os

import pytest

from autograder.course import load_course
from autograder.run import LabRun, run_lab

pytestmark = [
    pytest.mark.skipif("QLAB_DATA" not in os.environ, reason="needs CIFAR-10 and MNIST: set QLAB_DATA to its folder"),
    pytest.mark.slow,
]


def solved(name: str):
    """A fixture: the lab as it came out, run once for all tests of this file."""

    @pytest.fixture(scope="module")
    def run(tmp_path_factory) -> LabRun:
        return run_lab(load_course(), name, fast=True, out=tmp_path_factory.mktemp(name))

    return run


lab1 = solved("lab1_kmeans")
lab2 = solved("lab2_linear")
lab3 = solved("lab3_observers")
lab4 = solved("lab4_ptq_qat")
lab5 = solved("lab5_lenet")
lab6 = solved("lab6_pruning")


def test_sizes_of_lab_1_are_those_published(lab1):
    sizes = [
        round(lab1.figures[name], 2) for name in ("fp32_mib", "kmeans_8bit_mib", "kmeans_4bit_mib", "kmeans_2bit_mib")
    ]
    assert sizes == [35.20, 8.80, 4.40, 2.20]


def test_eight_bits_of_k_means_cost_less_than_a_point(lab1):
    assert abs(lab1.figures["fp32_accuracy"] - lab1.figures["kmeans_8bit_accuracy_before"]) < 1


def test_fewer_bits_cost_more_accuracy(lab1):
    before = [lab1.figures[f"kmeans_{bits}bit_accuracy_before"] for bits in (8, 4, 2)]
    assert before == sorted(before, reverse=True)


def test_clustering_of_the_course_is_not_worse_than_the_library(lab1):
    ratios = lab1.figures["clustering_4bit_error_ratio"]
    assert ratios["fast_pytorch_kmeans"] > ratios["KMeans1d"] == 1


def test_fused_model_is_the_same_model(lab2):
    assert lab2.figures["fused_accuracy"] == lab2.figures["fp32_accuracy"]


def test_int8_model_loses_less_than_a_point_at_a_quarter_of_the_size(lab2):
    assert abs(lab2.figures["int8_drop"]) < 1
    assert math.isclose(lab2.figures["fp32_mib"] / lab2.figures["int8_mib"], 4, rel_tol=0.02)


def test_energy_and_size_of_lab_3_are_those_published(lab3):
    assert lab3.figures["parameters"] == 1_470_762
    assert math.isclose(lab3.figures["fp32_mb"], 5.91, abs_tol=0.01)
    assert math.isclose(lab3.figures["energy_fp32_pj"], 5888)
    assert math.isclose(lab3.figures["energy_power_of_two_pj"], 422.8)


def test_observers_of_lab_3_agree_with_torchs(lab3):
    assert lab3.figures["observer_scale_difference"] < 1e-5


def test_power_of_two_model_has_a_quarter_of_the_size_and_computes_the_formula(lab3):
    assert math.isclose(lab3.figures["fp32_mb"] / lab3.figures["quantized_mb"], 4, rel_tol=0.03)
    assert (lab3.figures["linear_least_difference"], lab3.figures["linear_most_difference"]) in ((0, 0), (0, 1))


def test_fused_network_of_lab_4_is_the_same_without_norms(lab4):
    assert lab4.figures["fusion_change"] < 1e-3
    assert lab4.figures["norms_left"] == 0


def test_sizes_of_resnet50_are_those_published(lab4):
    assert math.isclose(lab4.figures["resnet50_fp32_mb"], 94.41, abs_tol=0.05)
    assert math.isclose(lab4.figures["resnet50_fp32_mib"], 90.03, abs_tol=0.05)
    assert math.isclose(lab4.figures["resnet50_ptq_mb"], 23.66, abs_tol=0.15)


def test_integer_networks_of_lab_4_are_as_good_as_their_kind_can_be(lab4):
    figures = lab4.figures
    assert figures["network_accuracy"] > 80
    assert abs(figures["ptq_drop"]) < 5
    assert figures["qat_accuracy"] > figures["ptq_accuracy"] - max(1.0, figures["qat_spread"])
    assert figures["uncalibrated_accuracy"] < figures["ptq_accuracy"] - 10
    assert figures["torchao_accuracy"] > figures["network_accuracy"] - 2


def test_ablation_of_lab_4_has_a_row_for_each_ingredient(lab4):
    assert len(lab4.figures["ablation"]) == 6
    assert len(set(lab4.figures["ablation"].values())) > 1


def test_lenet_of_lab_5_is_good_and_calibrated_int8_costs_it_nothing(lab5):
    assert lab5.figures["parameters"] == 61_706
    assert lab5.figures["lenet_accuracy"] >= 98.5
    assert abs(lab5.figures["lenet_accuracy"] - lab5.figures["dynamic_accuracy"]) <= 0.1
    assert abs(lab5.figures["static_drop"]) <= 0.3
    assert lab5.figures["deployed_equal"] is True


def test_lenet_of_lab_5_is_clearly_worse_as_the_report_quantized_it(lab5):
    assert lab5.figures["as_reported_drop"] > max(0.5, 3 * lab5.figures["static_drop"])
    assert (lab5.figures["unit_scales"], lab5.figures["unit_scales_when_calibrated"]) == (6, 0)
    by_images = lab5.figures["accuracy_by_calibration_images"]
    assert by_images["0"] == lab5.figures["as_reported_accuracy"]


def test_files_of_lab_5_have_the_published_sizes(lab5):
    sizes = [lab5.figures[name] for name in ("fp32_kb", "dynamic_kb", "static_kb")]
    assert sizes == pytest.approx([250.382, 219.062, 75.466], rel=0.02)


def test_pruned_model_of_lab_6_keeps_its_zeros_and_is_smaller_in_every_stage(lab6):
    figures = lab6.figures
    assert figures["nonzeros_grown"] <= 0
    assert figures["dense_mib"] > figures["sparse_stored_mib"] > figures["sparse_values_mib"]
    for bits in (5, 4, 3):
        assert (
            figures["sparse_stored_mib"] > figures[f"stages_{bits}bit_mib"] > figures[f"stages_{bits}bit_huffman_mib"]
        )


def test_thirty_per_cent_fewer_channels_halve_the_computation(lab6):
    assert math.isclose(lab6.figures["channels_macs_reduction"], 2, abs_tol=0.05)
    assert math.isclose(lab6.figures["channels_parameters_reduction"], 1.8, abs_tol=0.05)


def test_sorting_changes_nothing_and_training_mends_what_pruning_channels_broke(lab6):
    assert lab6.figures["sorting_difference"] < 1e-3
    assert lab6.figures["channels_tuned_accuracy"] > lab6.figures["best_channels_accuracy"]


def test_pruning_costs_little_accuracy_after_training(lab6):
    assert lab6.figures["pruned_tuned_accuracy"] > lab6.figures["dense_accuracy"] - 10
