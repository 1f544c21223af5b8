"""An epoch of augmented batches from memory, against torchvision's DataLoader set up as in the homework.

The peer is torchvision's own CIFAR10 data set around the same pixels. The cost of an image does not depend on what it
shows nor on how many there are, so a part of an epoch is measured, and without data random pixels.
"""

from collections.abc import Iterable, Iterator

import torch
from torch.utils.data import DataLoader
from torchvision.datasets import CIFAR10
from torchvision.transforms import Compose, RandomCrop, RandomHorizontalFlip, ToTensor

from benchmarks.harness import Figure, Timing, alternate, speedup
from qlab_helpers.data import CIFAR10_CLASSES, ImageLoader, ImageSet, find_data_sets, load_cifar10

BATCH, IMAGES, EPOCH = 512, 10_000, 50_000


def measure(*, tiny: bool) -> Iterator[Figure]:
    images = some_images(256 if tiny else IMAGES)
    batch = 64 if tiny else BATCH
    rounds = 1 if tiny else 7
    augmented = {
        "ImageLoader": lambda: exhaust(ImageLoader(images, batch, shuffle=True, augment=True)),
        "DataLoader": lambda: exhaust(homework_loader(images, batch, train=True)),
    }
    timings = alternate(augmented, rounds=rounds)
    name = "augmented batches (crop, flip): ImageLoader against DataLoader"
    yield speedup(name, timings, of="ImageLoader", over="DataLoader", reach=20.0)
    yield epoch(timings["ImageLoader"], len(images))
    plain = {
        "ImageLoader": lambda: exhaust(ImageLoader(images, batch)),
        "DataLoader": lambda: exhaust(homework_loader(images, batch, train=False)),
    }
    name = "batches in order, not augmented: ImageLoader against DataLoader"
    yield speedup(name, alternate(plain, rounds=rounds), of="ImageLoader", over="DataLoader")


def epoch(timing: Timing, images: int) -> Figure:
    return Figure(f"an epoch of {EPOCH:,} augmented images from memory", timing.median_s * EPOCH / images, "s")


def some_images(count: int) -> ImageSet:
    if find_data_sets()["CIFAR-10"] is not None and count > 1000:
        return load_cifar10("test", limit=count, progress=False)
    pixels = torch.randint(0, 256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    return ImageSet(pixels, torch.arange(count) % 10, CIFAR10_CLASSES)


def homework_data(images: ImageSet, *, train: bool) -> CIFAR10:
    """torchvision's data set, with its own ``__getitem__``, around pixels that are in memory already."""
    data = CIFAR10.__new__(CIFAR10)  # its __init__ wants the archive's files
    data.data = images.images.permute(0, 2, 3, 1).contiguous().numpy()
    data.targets = images.labels.tolist()
    data.transform = Compose([RandomCrop(32, padding=4), RandomHorizontalFlip(), ToTensor()]) if train else ToTensor()
    data.target_transform = None
    return data


def homework_loader(images: ImageSet, batch_size: int, *, train: bool) -> DataLoader:
    pin = torch.cuda.is_available()  # the homework says True, which without a GPU is a warning and nothing else
    return DataLoader(
        homework_data(images, train=train), batch_size=batch_size, shuffle=train, num_workers=0, pin_memory=pin
    )


def exhaust(loader: Iterable) -> None:
    for _ in loader:
        pass
