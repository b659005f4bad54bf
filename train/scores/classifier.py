"""A small classifier of the real pictures, whose features are the space in which distances are measured.

It sees the real training split only, starts from a seed of its own, and never sees a generated picture before it scores one.
Distances in its features are comparable between generators judged by the same classifier (the same digest), and nowhere else.

Where the pictures have no labels it learns to tell their four rotations apart instead, which takes knowing what they show
(Gidaris et al. 2018, "Unsupervised Representation Learning by Predicting Image Rotations").
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, cast

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from gansample.bundle.seal import digest
from train.data.dataset import DataSet
from train.data.shuffle import Shuffle
from train.model.pixels import from_bytes

FEATURES = 32  # few enough for a covariance from a few hundred pictures

Task = Literal["classes", "rotations"]

_SEED = 0
_EPOCHS = 4
_IMAGES = range(20_000, 200_000)  # shown at least, and at most
_BATCH = 64
_PEAK_RATE = 4e-3
_WIDEST = 64
_NARROWEST = 8
_LAST_SIDE = 4  # pixels of the last feature map
_FEW = 8  # classes, below which features are taken one layer earlier
_FIT = 10_000  # pictures are enough for 32 principal components
_PART = 256  # pictures at a time once it is trained: memory, never the features


class Classifier(nn.Module):
    """Pictures uint8 (N, C, H, W) -> logits (N, classes).

    Every convolution halves the side, down to 4 pixels, and doubles the channels, up to 64: larger pictures get more layers
    that are narrow, so that four times the pixels cost about twice the time.

    Its features (N, 32) are what the head sees, before the last nonlinearity, where classes are nearest to Gaussian, as the
    Fréchet distance assumes. With few classes those collapse to as many points (Papyan et al. 2020, "Prevalence of Neural
    Collapse"), and a network that was trained on rotations knows more about pictures further down (Gidaris et al., table 1):
    then they are the principal components of the last convolution but one, averaged over the quarters of the picture.
    """

    def __init__(self, image_size: int, channels: int, classes: int, task: Task) -> None:
        super().__init__()
        self.task = task
        halvings = max(min(3, image_size.bit_length() - 1), (image_size // _LAST_SIDE).bit_length() - 1)
        widths = [max(_NARROWEST, _WIDEST >> halving) for halving in reversed(range(halvings))]  # 32 pixels: 16, 32, 64
        self.body = nn.Sequential(*(_halve(a, b) for a, b in pairwise([channels, *widths[:-1]])))
        last = widths[-1] * (image_size >> halvings) ** 2
        self.tail = nn.Sequential(_halve(widths[-2], widths[-1]), nn.Flatten(), nn.Linear(last, FEATURES))
        self.head = nn.Linear(FEATURES, classes)
        self.quarters = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.components = nn.Linear(4 * widths[-2], FEATURES) if classes < _FEW else None

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.head(F.relu(self.tail(self.body(from_bytes(images))))))

    @torch.no_grad()
    def features_and_classes(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features float32 (N, 32) and the class of each picture, int64 (N,)."""
        features, classes = [], []
        for part in torch.split(images, _PART):
            layer = self.body(from_bytes(part))
            embedded = self.tail(layer)
            features.append(self.components(self.quarters(layer)) if self.components is not None else embedded)
            classes.append(self.head(F.relu(embedded)).argmax(1))
        return torch.cat(features), torch.cat(classes)

    @torch.no_grad()
    def find_components(self, images: Tensor) -> None:
        """Let the features be the 32 directions in which these pictures differ most, scaled to an average variance of 1."""
        assert self.components is not None
        x = torch.cat([self.quarters(self.body(from_bytes(part))) for part in torch.split(images, _PART)]).double()
        mean = x.mean(0)
        variances, directions = torch.linalg.eigh((x - mean).T.cov())  # ascending
        wanted = directions[:, -FEATURES:].T / variances[-FEATURES:].mean().clamp_min(1e-12).sqrt()
        self.components.weight.copy_(wanted)
        self.components.bias.copy_(-wanted @ mean)

    @property
    def sha256(self) -> str:
        return digest(save(self.state_dict()))


def _halve(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())


def train_classifier(data: DataSet) -> Classifier:
    """A classifier of the real training split: four epochs, but 20,000 pictures at least and 200,000 at most.

    The same weights for the same data: trained by one thread, because the last bits of a sum depend on how many share it, and
    a run's scores can only stand beside its bundle's where the digests agree. Leaves torch's random state and number of
    threads as it found them.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return _trained(data)
    finally:
        torch.set_num_threads(threads)


def _trained(data: DataSet) -> Classifier:
    task: Task = "classes" if data.labels is not None else "rotations"
    classes = len(data.class_names) if data.class_names is not None else 4
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        classifier = Classifier(data.images.shape[-1], data.channels, classes, task)
        classifier.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        shown = min(max(_EPOCHS * len(data.images), _IMAGES.start), _IMAGES.stop)
        adam = torch.optim.Adam(classifier.parameters(), fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(adam, _PEAK_RATE, total_steps=shown // _BATCH)
        for images, labels in _batches(data, shown // _BATCH):
            loss = F.cross_entropy(classifier(images), labels, label_smoothing=0.05)
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            schedule.step()
    classifier.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    classifier.eval().requires_grad_(False)
    if classifier.components is not None:
        some = Shuffle(len(data.images), _SEED).take(min(len(data.images), _FIT))
        classifier.find_components(data.images[some])
    return classifier


def held_out_accuracy(classifier: Classifier, data: DataSet) -> float:
    """Share of the held-out pictures whose class, or whose rotation, the classifier gets right, 0..1."""
    images, labels = data.held_out_images, data.held_out_labels
    if labels is None:
        images, labels = rotated(images)
    return float((classifier.features_and_classes(images)[1] == labels).float().mean())


def rotated(images: Tensor) -> tuple[Tensor, Tensor]:
    """A quarter of the pictures as they are, the others turned by 90°, 180° and 270°; and which, int64 (N,) in 0..3."""
    parts = images.tensor_split(4)
    turned = [torch.rot90(part, turn, (2, 3)) for turn, part in enumerate(parts)]
    return torch.cat(turned), torch.cat([torch.full((len(part),), turn) for turn, part in enumerate(parts)])


def _batches(data: DataSet, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pictures as floats 0..255 (64, C, H, W), and the class or rotation of each, int64 (64,)."""
    order = Shuffle(len(data.images), _SEED)
    for _ in range(count):
        batch = order.take(_BATCH)
        images, labels = data.images[batch].float(), data.labels[batch] if data.labels is not None else None
        if labels is None:
            images, labels = rotated(images)
        yield _shifted(images, data.images.shape[-1] // 16), labels


def _shifted(images: Tensor, pixels: int) -> Tensor:
    """Every second picture moved by up to ±`pixels` in x and y, all by the same; what moves in is black."""
    side = images.shape[-1]
    top, left = torch.randint(2 * pixels + 1, (2,)).tolist()
    moved = F.pad(images[::2], [pixels] * 4)[..., top : top + side, left : left + side]
    return torch.stack([moved, images[1::2]], 1).flatten(0, 1)
