"""Loaders on small generated data sets in both layouts, and what they say when there is no data."""

import os
import pickle
import socket
import struct

import numpy
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision.datasets import CIFAR10
from torchvision.transforms import Compose, RandomCrop, RandomHorizontalFlip, ToTensor

from qlab_helpers.data import (
    CIFAR10_CLASSES,
    DataMissing,
    ImageLoader,
    ImageSet,
    cifar10_loaders,
    load_cifar10,
    load_mnist,
    random_crop_and_flip,
)


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """An empty folder as working directory and home, no QLAB_DATA, no network."""

    def refuse(*args, **options):
        raise OSError("network is unreachable")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("QLAB_DATA", raising=False)
    for name in ("create_connection", "getaddrinfo"):
        monkeypatch.setattr(socket, name, refuse)
    return tmp_path


def write_image_folder(folder, *, per_class=3, suffix=".png"):
    """``per_class`` images of every class, one colour each: (10 * class, index, 7)."""
    for label, name in enumerate(CIFAR10_CLASSES):
        (folder / name).mkdir(parents=True)
        for index in range(per_class):
            Image.new("RGB", (32, 32), (10 * label, index, 7)).save(folder / name / f"{index:04}{suffix}")


def write_torchvision_cifar10(folder, monkeypatch):
    """torchvision's pickled batches, four images each; image i of batch b is filled with 10 b + i."""
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)  # ours have other checksums
    folder = folder / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for batch, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"], start=1):
        data = numpy.repeat(numpy.arange(4, dtype=numpy.uint8)[:, None] + 10 * batch, 3072, axis=1)
        data[:, :1024] = 255  # the red channel
        (folder / name).write_bytes(pickle.dumps({"data": data, "labels": [batch, 1, 2, 3]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(CIFAR10_CLASSES)}))


def write_mnist(folder):
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, count in (("train", 5), ("t10k", 3)):
        pixels = numpy.repeat(numpy.arange(count, dtype=numpy.uint8), 28 * 28)
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, count, 28, 28) + pixels.tobytes())
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + bytes(range(count)))


@pytest.mark.parametrize("place", ["cifar10/test", "test"])
def test_image_folder_is_read_with_its_labels(alone, monkeypatch, place):
    write_image_folder(alone / "somewhere" / place)
    monkeypatch.setenv("QLAB_DATA", str(alone / "somewhere"))
    data = load_cifar10("test")
    assert data.images.shape == (30, 3, 32, 32)
    assert data.images.dtype == torch.uint8
    assert data.classes == CIFAR10_CLASSES
    assert torch.equal(data.images[:, 0, 5, 9], 10 * data.labels)  # the colour that tells the class
    assert data.images[:, 1, 0, 0].bincount().tolist() == [10, 10, 10]


def test_first_images_of_a_folder_are_mixed_and_always_the_same(alone):
    write_image_folder(alone / "data" / "cifar10" / "train", per_class=5)
    some, again, everything = (load_cifar10("train", limit=limit) for limit in (20, 20, None))
    assert len(some) == 20
    assert len(some.labels.unique()) > 5
    assert torch.equal(some.images, again.images)
    assert torch.equal(some.images, everything.take(20).images)


def test_a_folder_with_some_of_the_classes_keeps_their_labels(alone):
    for name in ("ship", "cat"):
        (alone / "test" / name).mkdir(parents=True)
        Image.new("RGB", (32, 32)).save(alone / "test" / name / "a.png")
    data = load_cifar10("test", root=alone)
    assert sorted(data.labels.tolist()) == [CIFAR10_CLASSES.index("cat"), CIFAR10_CLASSES.index("ship")]


def test_files_that_are_no_images_are_passed_over(alone):
    write_image_folder(alone / "test", per_class=1)
    (alone / "test" / "cat" / "Thumbs.db").write_bytes(b"?")
    assert len(load_cifar10("test", root=alone)) == 10


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "cat" / "broken.png").write_bytes(b"?"), r"broken\.png is not a readable image"),
        (lambda folder: Image.new("RGB", (8, 9)).save(folder / "cat" / "odd.png"), r"9 x 8 pixels|32 x 32 pixels"),
        (lambda folder: (folder / "zebra").mkdir(), "'zebra', which is no class of CIFAR-10"),
    ],
)
def test_what_is_wrong_with_an_image_folder_is_named(alone, damage, words):
    write_image_folder(alone / "test", per_class=1)
    damage(alone / "test")
    with pytest.raises(DataMissing, match=words):
        load_cifar10("test", root=alone)


def test_empty_image_folder_is_named(alone):
    (alone / "test").mkdir()
    with pytest.raises(DataMissing, match="holds no <class>/<image> files"):
        load_cifar10("test", root=alone)


@pytest.mark.parametrize("place", [".", "cifar10"])
def test_torchvision_layout_is_read(alone, monkeypatch, place):
    write_torchvision_cifar10(alone / place, monkeypatch)
    train, test = load_cifar10("train", root=alone), load_cifar10("test", root=alone, limit=3)
    assert train.images.shape == (20, 3, 32, 32)
    assert train.labels.tolist() == [label for batch in range(1, 6) for label in (batch, 1, 2, 3)]
    assert test.labels.tolist() == [6, 1, 2]
    assert test.images[:, :, 4, 4].tolist() == [[255, 60, 60], [255, 61, 61], [255, 62, 62]]
    assert test.classes == CIFAR10_CLASSES


def test_incomplete_torchvision_files_are_named(alone):
    (alone / "cifar-10-batches-py").mkdir()
    with pytest.raises(DataMissing, match="incomplete or damaged"):
        load_cifar10("test", root=alone)


def test_mnist_is_read(alone, monkeypatch):
    write_mnist(alone)
    monkeypatch.setenv("QLAB_DATA", str(alone))
    train, test = load_mnist("train"), load_mnist("test")
    assert (train.images.shape, test.images.shape) == ((5, 1, 28, 28), (3, 1, 28, 28))
    assert train.images[:, 0, 3, 3].tolist() == train.labels.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("load", [load_cifar10, load_mnist])
def test_offline_without_data_says_what_to_do(alone, load):
    with pytest.raises(DataMissing, match="could not be downloaded.*set QLAB_DATA to a folder"):
        load("train")


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match="validation"):
        load_cifar10("validation")
    with pytest.raises(ValueError, match="valid"):
        load_mnist("valid")


@pytest.mark.skipif("QLAB_DATA" not in os.environ, reason="set QLAB_DATA to a folder with CIFAR-10 and MNIST")
def test_real_data_is_found():
    cifar, mnist = load_cifar10("test", limit=200, progress=False), load_mnist("test")
    assert cifar.images.shape == (200, 3, 32, 32)
    assert len(cifar.labels.unique()) == 10
    assert mnist.images.shape == (10_000, 1, 28, 28)
    assert mnist.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]


def numbered(count: int, *, size: int = 12) -> ImageSet:
    """Images whose pixels all differ, so that a shifted or mirrored one can be told from any other."""
    pixels = torch.randint(
        0, 256, (count, 3, size, size), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    return ImageSet(pixels, torch.arange(count), ("class",))


def test_loader_gives_all_images_in_order_as_numbers_from_0_to_1():
    data = numbered(10)
    loader = ImageLoader(data, 4)
    images, labels = (torch.cat(parts) for parts in zip(*loader, strict=True))
    assert [len(labels) for _, labels in loader] == [4, 4, 2]
    assert len(loader) == 3
    assert torch.equal(images, data.images / 255)
    assert torch.equal(labels, data.labels)


def test_shuffled_loader_gives_each_image_once_in_a_new_order_each_epoch():
    data = numbered(40)
    loader = ImageLoader(data, 8, shuffle=True)
    first, second = (torch.cat([labels for _, labels in loader]) for _ in range(2))
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(40))
    assert not torch.equal(first, second)
    for images, labels in loader:
        assert torch.equal(images, data.images[labels] / 255)


def test_same_seed_draws_the_same_batches():
    def draw(seed):
        loader = ImageLoader(numbered(20), 5, shuffle=True, augment=True, seed=seed)
        return torch.cat([images for images, _ in loader])

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_augmented_images_are_shifted_or_mirrored_pieces_of_the_padded_ones():
    images = numbered(50).images / 255
    augmented = random_crop_and_flip(images, padding=2, generator=torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images, [2] * 4, mode="reflect")
    assert augmented.shape == images.shape
    seen = set()
    for index in range(50):
        matches = [
            (row, column, mirrored)
            for row in range(5)
            for column in range(5)
            for mirrored, back in ((False, augmented[index]), (True, augmented[index].flip(2)))
            if torch.equal(back, padded[index, :, row : row + 12, column : column + 12])
        ]
        assert matches, f"image {index} is not a crop"
        seen.update(matches)
    assert len(seen) > 25  # of 50 that are possible


def test_no_padding_leaves_images_or_mirrors_them_half_of_the_time():
    images = numbered(1, size=6).images.expand(4000, -1, -1, -1) / 255
    augmented = random_crop_and_flip(images, padding=0, generator=torch.Generator().manual_seed(0))
    same = (augmented == images).flatten(1).all(dim=1)
    mirrored = (augmented == images.flip(3)).flatten(1).all(dim=1)
    assert (same ^ mirrored).all()
    assert 0.46 < mirrored.float().mean() < 0.54  # five standard deviations


def test_all_shifts_are_equally_likely():
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 4] = 1
    augmented = random_crop_and_flip(
        image.expand(9000, -1, -1, -1), padding=1, mode="constant", generator=torch.Generator().manual_seed(0)
    )
    places = augmented.sum(dim=0)[0]
    assert places.sum() == 9000
    assert (places[3:6, 3:6] - 1000).abs().max() < 160  # five standard deviations


def torchvision_data(images: ImageSet, transform) -> CIFAR10:
    """torchvision's own data set around our pixels."""
    data = CIFAR10.__new__(CIFAR10)  # its __init__ wants the archive's files
    data.data = images.images.permute(0, 2, 3, 1).contiguous().numpy()
    data.targets = images.labels.tolist()
    data.transform, data.target_transform = transform, None
    return data


def test_pixels_without_augmentation_are_those_of_torchvisions_loader():
    images = numbered(10, size=32)
    theirs = DataLoader(torchvision_data(images, ToTensor()), batch_size=4, shuffle=False)
    for (ours, labels), (expected, expected_labels) in zip(ImageLoader(images, 4), theirs, strict=True):
        assert torch.equal(ours, expected)
        assert torch.equal(labels, expected_labels)


def test_augmentations_are_distributed_as_torchvisions():
    # One marked pixel tells the shift, its neighbour the mirroring: 3 x 3 x 2 outcomes, each as likely in both.
    pixels = torch.zeros(1, 3, 9, 9, dtype=torch.uint8)
    pixels[0, :, 4, 4], pixels[0, :, 4, 5] = 255, 100
    images = ImageSet(pixels.expand(9000, -1, -1, -1), torch.zeros(9000, dtype=torch.int64), ("class",))
    torch.manual_seed(0)
    transform = Compose([RandomCrop(9, padding=1), RandomHorizontalFlip(), ToTensor()])
    theirs = torch.cat([batch for batch, _ in DataLoader(torchvision_data(images, transform), batch_size=1000)])
    ours = random_crop_and_flip(
        images.images, padding=1, mode="constant", generator=torch.Generator().manual_seed(0)
    ).float() / 255  # fmt: skip

    def outcomes(augmented: torch.Tensor) -> torch.Tensor:
        place = augmented[:, 0].flatten(1).argmax(dim=1)
        row, column = place // 9 - 3, place % 9 - 3
        right = augmented[:, 0].flatten(1).gather(1, (place + 1)[:, None])[:, 0] > 0.1
        return (9 * right + 3 * row + column).bincount(minlength=18)

    counts = torch.stack([outcomes(theirs), outcomes(ours)]).double()
    counts = counts[:, counts.sum(dim=0) > 0]
    assert counts.shape[1] == 18
    # Two samples of one distribution: chi squared with 17 degrees of freedom exceeds 40.8 once in a thousand.
    assert ((counts[0] - counts[1]) ** 2 / counts.sum(dim=0)).sum() < 40.8


@pytest.mark.parametrize("mode", ["reflect", "constant", "replicate"])
def test_bytes_and_floats_are_augmented_alike(mode):
    images = numbered(50).images
    bytes_, floats = (
        random_crop_and_flip(each, mode=mode, generator=torch.Generator().manual_seed(0))
        for each in (images, images / 255)
    )
    assert torch.equal(bytes_ / 255, floats)


def test_numpys_windows_are_torchs_pixels():
    # float64 takes the way of the GPU, which looks up every pixel.
    images = numbered(50).images.float()
    for size in (None, 7):
        windows, pixels = (
            random_crop_and_flip(each, size=size, generator=torch.Generator().manual_seed(0))
            for each in (images, images.double())
        )
        assert torch.equal(windows.double(), pixels)


def test_cifar10_loaders_shuffle_the_training_images_only(alone):
    for split in ("train", "test"):
        write_image_folder(alone / "cifar10" / split)
    loaders = cifar10_loaders(8, train_limit=20, test_limit=10, root=alone)
    assert [len(loaders[split].dataset) for split in ("train", "test")] == [20, 10]
    images, labels = next(iter(loaders["train"]))
    assert (images.shape, labels.shape) == ((8, 3, 32, 32), (8,))
    test = load_cifar10("test", limit=10, root=alone)
    assert torch.equal(torch.cat([labels for _, labels in loaders["test"]]), test.labels)
    assert (loaders["train"].shuffle, loaders["train"].augment) == (True, True)
    assert (loaders["test"].shuffle, loaders["test"].augment) == (False, False)
