"""CIFAR-10 and MNIST in memory, from torchvision's files or from a folder of images.

A data set is two tensors (``ImageSet``), so an epoch of augmented batches is a few tensor operations a batch, on the
device that trains, instead of a worker process that decodes one image at a time. ``$QLAB_DATA`` names the folder to
look in: torchvision's layout, or a copy as images, ``cifar10/{train,test}/<class>/*``.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch.nn import functional
from tqdm.auto import tqdm

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
Augmentation = Callable[[torch.Tensor, torch.Generator], torch.Tensor]
DEFAULT_ROOT = Path("~/.cache/qlab/data")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")


class DataMissing(RuntimeError):
    """A data set is neither on disk nor to be had from the network; the message says what to do."""


@dataclass(frozen=True)
class ImageSet:
    """Labelled images, all decoded."""

    images: torch.Tensor  # (n, channels, height, width) uint8
    labels: torch.Tensor  # (n,) int64
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, count: int | None) -> "ImageSet":
        """The first ``count`` images (all of them for None); sets are stored in an order that mixes the classes."""
        return self if count is None else replace(self, images=self.images[:count], labels=self.labels[:count])


class ImageLoader:
    """Batches of an ``ImageSet``: float images in [0, 1] and int64 labels, on ``device``.

    With ``augment``, each image is padded by four pixels, cropped back at a random place and mirrored at random, the
    usual recipe for CIFAR-10; a function of (images, generator) augments in its own way instead. A loader is iterated
    once an epoch; every epoch draws anew from its own seeded generator.
    """

    def __init__(
        self,
        image_set: ImageSet,
        batch_size: int = 512,
        *,
        shuffle: bool = False,
        augment: bool | Augmentation = False,
        padding_mode: str = "reflect",
        device: torch.device | str = "cpu",
        seed: int = 0,
    ) -> None:
        self.dataset = image_set
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.augment = augment
        self.padding_mode = padding_mode
        self.device = torch.device(device)
        self._generator = torch.Generator().manual_seed(seed)
        self._images = image_set.images.to(self.device)
        self._labels = image_set.labels.to(self.device)

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        count = len(self.dataset)
        order = torch.randperm(count, generator=self._generator) if self.shuffle else torch.arange(count)
        for chosen in order.to(self.device).split(self.batch_size):
            images = self._images.index_select(0, chosen)
            if self.augment and not callable(self.augment):  # as bytes, a quarter of the memory to move
                images = random_crop_and_flip(images, mode=self.padding_mode, generator=self._generator)
            images = images.float().div_(255)
            if callable(self.augment):
                images = self.augment(images, self._generator)
            yield images, self._labels[chosen]


def random_crop_and_flip(
    images: torch.Tensor,
    *,
    padding: int = 4,
    size: int | None = None,
    mode: str = "reflect",
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    """Cut a random square of ``size`` (the images' own by default) out of every padded image and mirror half of them.

    Images (n, c, h, w); with the default size that shifts them by up to ``padding`` pixels each way.
    """
    count, _, height, width = images.shape
    out_height, out_width = (height, width) if size is None else (size, size)
    padded = _padded(images, padding, mode) if padding else images
    ends = torch.tensor([height - out_height, width - out_width]).reshape(2, 1, 1) + 2 * padding + 1
    shifts = (torch.rand(2, count, 1, generator=generator) * ends).long().to(images.device)
    mirrored = (torch.rand(count, 1, generator=generator) < 0.5).to(images.device)
    if images.device.type == "cpu" and images.dtype in (torch.uint8, torch.float32):
        return _cut(padded, shifts.flatten(1), mirrored.flatten(), (out_height, out_width))
    rows = shifts[0] + torch.arange(out_height, device=images.device)  # (n, h)
    columns = torch.arange(out_width, device=images.device).expand(count, out_width)
    columns = shifts[1] + torch.where(mirrored, columns.flip(1), columns)  # (n, w)
    batch = torch.arange(count, device=images.device)[:, None, None]
    # Indexing around the channel dimension moves it to the end: (n, h, w, c), which is channels_last for free.
    return padded[batch, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _padded(images: torch.Tensor, padding: int, mode: str) -> torch.Tensor:
    try:
        return functional.pad(images, [padding] * 4, mode=mode)
    except (NotImplementedError, RuntimeError):  # a PyTorch that reflects floats only, which hold bytes exactly
        return functional.pad(images.float(), [padding] * 4, mode=mode).to(images.dtype)


def _cut(padded: torch.Tensor, shifts: torch.Tensor, mirrored: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """On a CPU: NumPy copies windows row by row, where torch looks up every pixel."""
    windows = sliding_window_view(padded.numpy(), size, axis=(2, 3))  # (n, c, rows, columns, h, w)
    images = windows[numpy.arange(len(padded)), :, *shifts.numpy()]
    images[mirrored.numpy()] = images[mirrored.numpy()][..., ::-1]
    return torch.from_numpy(images)


def random_cutout(images: torch.Tensor, size: int, *, generator: torch.Generator | None = None) -> torch.Tensor:
    """Grey out one random ``size`` x ``size`` square of every image (n, c, h, w), as Cutout does (DeVries 2017)."""
    count, _, height, width = images.shape
    span = torch.tensor([height, width]).reshape(2, 1, 1) - size + 1
    corner = (torch.rand(2, count, 1, generator=generator) * span).long().to(images.device)
    rows = torch.arange(height, device=images.device) - corner[0]  # (n, h)
    columns = torch.arange(width, device=images.device) - corner[1]
    hidden = ((rows >= 0) & (rows < size))[:, :, None] & ((columns >= 0) & (columns < size))[:, None, :]
    return images.masked_fill(hidden[:, None], 0.5)


def load_cifar10(
    split: str, *, limit: int | None = None, root: Path | str | None = None, progress: bool = True
) -> ImageSet:
    """CIFAR-10's ``"train"`` (50,000) or ``"test"`` (10,000) images, or the first ``limit``, (n, 3, 32, 32) uint8.

    Looks in ``root`` if given, else in ``$QLAB_DATA``, ``./data`` and ``~/.cache/qlab/data``; downloads into the last
    one if the files are nowhere. Raises ``DataMissing`` when that fails, ``ValueError`` for an unknown split.
    """
    _check_split(split)
    for folder in _roots(root):
        for place in _image_places(folder, split):
            if place.is_dir():
                return _read_image_folder(place, limit=limit, progress=progress)
        for place in _archive_places(folder):
            if (place / "cifar-10-batches-py").is_dir():
                return _read("CIFAR-10", place, partial(_torchvision_cifar10, place, split)).take(limit)
    target = _download_root(root)
    return _download("CIFAR-10", target, lambda: _torchvision_cifar10(target, split, download=True).take(limit))


def load_mnist(split: str, *, root: Path | str | None = None) -> ImageSet:
    """MNIST's ``"train"`` (60,000) or ``"test"`` (10,000) images, (n, 1, 28, 28) uint8; as ``load_cifar10``."""
    _check_split(split)
    for folder in _roots(root):
        if (folder / "MNIST" / "raw").is_dir():
            return _read("MNIST", folder, partial(_torchvision_mnist, folder, split))
    target = _download_root(root)
    return _download("MNIST", target, lambda: _torchvision_mnist(target, split, download=True))


def find_data_sets(root: Path | str | None = None) -> dict[str, Path | None]:
    """Where ``load_cifar10`` and ``load_mnist`` find their files, by name; None where they would have to download."""
    found: dict[str, Path | None] = {"CIFAR-10": None, "MNIST": None}
    for folder in reversed(_roots(root)):
        images = all(any(place.is_dir() for place in _image_places(folder, split)) for split in ("train", "test"))
        if images or any((place / "cifar-10-batches-py").is_dir() for place in _archive_places(folder)):
            found["CIFAR-10"] = folder
        if (folder / "MNIST" / "raw").is_dir():
            found["MNIST"] = folder
    return found


def cifar10_loaders(
    batch_size: int = 512,
    *,
    train_limit: int | None = None,
    test_limit: int | None = None,
    device: torch.device | str = "cpu",
    root: Path | str | None = None,
) -> dict[str, ImageLoader]:
    """``{"train": shuffled and augmented, "test": in order}``: loaders of CIFAR-10, or of its first images only."""
    train = load_cifar10("train", limit=train_limit, root=root)
    test = load_cifar10("test", limit=test_limit, root=root)
    return {
        "train": ImageLoader(train, batch_size, shuffle=True, augment=True, device=device),
        "test": ImageLoader(test, batch_size, device=device),
    }


def _check_split(split: str) -> None:
    if split not in ("train", "test"):
        raise ValueError(f'split must be "train" or "test", not {split!r}')


def _roots(root: Path | str | None) -> list[Path]:
    if root is not None:
        return [Path(root).expanduser()]
    named = os.environ.get("QLAB_DATA")
    return [Path(folder).expanduser() for folder in (named, "data", DEFAULT_ROOT) if folder]


def _image_places(folder: Path, split: str) -> tuple[Path, Path]:
    return folder / "cifar10" / split, folder / split


def _archive_places(folder: Path) -> tuple[Path, Path]:
    return folder, folder / "cifar10"


def _download_root(root: Path | str | None) -> Path:
    return Path(root or os.environ.get("QLAB_DATA") or DEFAULT_ROOT).expanduser()


def _read_image_folder(folder: Path, *, limit: int | None, progress: bool) -> ImageSet:
    from PIL import Image  # comes with torchvision; loaded late so that `import qlab_helpers` stays quick
    from torchvision.transforms.functional import pil_to_tensor

    names = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    unknown = [name for name in names if name not in CIFAR10_CLASSES]
    if unknown:
        raise DataMissing(f"{folder} holds {unknown[0]!r}, which is no class of CIFAR-10; rename or move that folder")
    files = [
        (CIFAR10_CLASSES.index(name), file)
        for name in names
        for file in sorted((folder / name).iterdir())
        if file.suffix.lower() in IMAGE_SUFFIXES
    ]
    if not files:
        raise DataMissing(f"{folder} holds no <class>/<image> files; put the images there or unset QLAB_DATA")
    # One fixed shuffle, so that the first images of the set are a fair sample of the classes.
    order = torch.randperm(len(files), generator=torch.Generator().manual_seed(0))[:limit].tolist()
    images = []
    for index in tqdm(order, desc=f"reading {folder.name} images", disable=not progress, leave=False):
        file = files[index][1]
        try:
            with Image.open(file) as image:
                images.append(pil_to_tensor(image.convert("RGB")))
        except OSError as error:
            raise DataMissing(f"{file} is not a readable image ({error}); replace or remove it") from error
        if images[-1].shape != images[0].shape:
            sizes = " x ".join(map(str, images[-1].shape[1:])), " x ".join(map(str, images[0].shape[1:]))
            raise DataMissing(f"{file} has {sizes[0]} pixels, the others {sizes[1]}; replace or remove it")
    return ImageSet(torch.stack(images), torch.tensor([files[index][0] for index in order]), CIFAR10_CLASSES)


def _torchvision_cifar10(root: Path, split: str, *, download: bool = False) -> ImageSet:
    from torchvision.datasets import CIFAR10

    data = CIFAR10(str(root), train=split == "train", download=download)
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
    return ImageSet(images, torch.tensor(data.targets), tuple(data.classes))


def _torchvision_mnist(root: Path, split: str, *, download: bool = False) -> ImageSet:
    from torchvision.datasets import MNIST

    data = MNIST(str(root), train=split == "train", download=download)
    return ImageSet(data.data.unsqueeze(1), data.targets, tuple(str(digit) for digit in range(10)))


def _read(name: str, place: Path, read: Callable[[], ImageSet]) -> ImageSet:
    try:
        return read()
    except (OSError, RuntimeError) as error:
        raise DataMissing(
            f"{name} in {place} is incomplete or damaged ({_line(error)}). Remove it there and run this again to "
            f"download it."
        ) from error


def _download(name: str, target: Path, download: Callable[[], ImageSet]) -> ImageSet:
    try:
        return download()
    except (OSError, RuntimeError) as error:
        raise DataMissing(
            f"{name} is not in {target} and could not be downloaded ({_line(error)}). Connect to the network and run "
            f"this again, or set QLAB_DATA to a folder that has the data (torchvision's files, or "
            f"cifar10/train/<class>/*)."
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
