"""Every mode, size and format becomes the picture that a viewer shows; whatever else is in a file becomes a reason."""

import contextlib
import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.support.tiny_pictures import encoded, noise
from train.data import decode as decoding
from train.data.container import relative_name
from train.data.decode import decode, decode_files
from train.data.fit import Frame, Unusable, with_channels
from train.data.request import DataRequest, Fit

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def frame(size: int = 8, fit: Fit = "crop", background: tuple[int, int, int] = WHITE) -> Frame:
    return Frame(size, fit, background)


def plain(mode: str, value: Any, size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new(mode, size, value)


def palette_with_hole() -> Image.Image:
    image = plain("P", 1)
    image.putpalette([*RED, *GREEN])
    image.info["transparency"] = 1
    return image


def first_of(kind: str) -> bytes:
    file = io.BytesIO()
    plain("RGB", RED).save(file, kind, save_all=True, append_images=[plain("RGB", BLUE)], lossless=True)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(plain("RGB", RED)), RED),
        (encoded(plain("L", 77)), (77,) * 3),
        (encoded(plain("1", 1)), WHITE),
        (encoded(plain("P", 0)), (0, 0, 0)),
        (encoded(palette_with_hole()), BLUE),
        (encoded(palette_with_hole(), "GIF"), BLUE),
        (encoded(plain("RGBA", (*RED, 255))), RED),
        (encoded(plain("RGBA", (*RED, 0))), BLUE),
        (encoded(plain("RGBA", (*RED, 51))), (51, 0, 204)),
        (encoded(plain("LA", (77, 255))), (77,) * 3),
        (encoded(plain("LA", (77, 0))), BLUE),
        (encoded(plain("RGB", RED), transparency=RED), BLUE),
        (encoded(plain("L", 9), transparency=9), BLUE),
        (encoded(plain("I;16", 0x8000)), (128,) * 3),
        (encoded(plain("I;16", 0xFFFF)), WHITE),
        (encoded(plain("I;16", 300)), (1,) * 3),
        (encoded(plain("RGB", RED), "BMP"), RED),
        (encoded(plain("RGB", RED), "WEBP", lossless=True), RED),
        (encoded(plain("CMYK", (0, 255, 255, 0)), "JPEG", quality=100), RED),
        (encoded(plain("L", 77), "JPEG", quality=100), (77,) * 3),
        (first_of("GIF"), RED),
        (first_of("WEBP"), RED),
        (first_of("PNG"), RED),
    ],
)  # fmt: skip
def test_every_mode_is_what_a_viewer_shows(data: bytes, expected: tuple[int, int, int]) -> None:
    pixels = decode(data, frame(background=BLUE))
    assert pixels.shape == (8, 8, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - expected).max() <= 1


def test_a_burst_of_a_phone_is_its_first_picture() -> None:
    file = io.BytesIO()
    plain("RGB", BLUE).save(file, "MPO", save_all=True, append_images=[plain("RGB", RED)], quality=100)
    assert np.abs(decode(file.getvalue(), frame()).astype(int) - BLUE).max() <= 1


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (7, 7)), (6, (0, 7)), (8, (7, 0))])
def test_pictures_stand_upright(orientation: int, corner: tuple[int, int]) -> None:
    image = plain("RGB", "black")
    image.putpixel((0, 0), WHITE)
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decode(encoded(image, exif=exif), frame())
    assert tuple(np.argwhere(pixels[..., 0] == 255)[0]) == corner


def test_a_broken_exif_block_costs_nothing() -> None:
    data = encoded(plain("RGB", RED), exif=b"Exif\0\0MM\0*\0\0\0\x08\0\xff\x01\x12")
    assert (decode(data, frame()) == RED).all()


def stripes(width: int, height: int) -> bytes:
    """Blue, with the middle square red."""
    image, side = plain("RGB", BLUE, (width, height)), min(width, height)
    image.paste(RED, ((width - side) // 2, (height - side) // 2, (width + side) // 2, (height + side) // 2))
    return encoded(image)


def test_crop_cuts_the_centre() -> None:
    assert (decode(stripes(32, 16), frame(fit="crop")) == RED).all()
    assert (decode(stripes(9, 17), frame(9, "crop")) == RED).all()


def test_pad_keeps_the_whole_and_never_enlarges() -> None:
    pixels = decode(stripes(32, 16), frame(fit="pad", background=GREEN))
    assert (pixels[:2] == GREEN).all()
    assert (pixels[-2:] == GREEN).all()
    assert (pixels[2:6, :1] == BLUE).all()
    assert (pixels[2:6, 3:5] == RED).all()
    small = noise(0, 5, 7)
    pixels = decode(encoded(small), frame(16, "pad", GREEN))
    assert np.array_equal(pixels[4:11, 5:10], np.asarray(small)), "a picture that fits keeps its pixels"
    assert (pixels[:4] == GREEN).all()


def test_stretch_shows_all_of_it() -> None:
    pixels = decode(stripes(32, 16), frame(fit="stretch"))
    assert (pixels[:, 0] == BLUE).all()
    assert (pixels[:, 4] == RED).all()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width: int, height: int, pixels: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "^empty$"),
        (b"<html>404 Not Found</html>", "^no PNG, JPEG, WebP, BMP, GIF or TIFF$"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "^no PNG"),
        (encoded(noise(0), "PPM"), "^no PNG"),
        (encoded(noise(0))[:300], r"^damaged \(.*truncated"),
        (encoded(noise(0, 64, 64), "JPEG")[:900], r"^damaged \(image file is truncated"),
        (encoded(noise(0), "GIF")[:-40], "^damaged"),
        (encoded(noise(0), "WEBP")[:-40], "^(damaged|no PNG)"),
        (encoded(noise(0, 3, 30)), r"^tiny, 3×30 pixels$"),
        (encoded(noise(0, 4, 7)), r"^tiny, 4×7 pixels$"),
        (png_that_claims(8001, 8000), "^8001×8000 pixels, more than 64 million$"),
        (png_that_claims(60_000, 60_000), "^more than 64 million pixels$"),
        (png_that_claims(2**31 - 1, 2**31 - 1), "^more than 64 million pixels$"),
        (png_that_claims(7000, 7000), "^damaged"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_why(data: bytes, reason: str) -> None:
    _, kept, reasons = decode_files([("x", data)], ["x"], frame(64), lambda done, count: None)
    assert kept == []
    assert re.search(reason, reasons["x"])


def test_a_file_of_gigabytes_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_BYTES", 100)
    with pytest.raises(Unusable, match="larger than"):
        decode(encoded(noise(0)), frame())


SEEDS = [encoded(noise(1), kind) for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")] + [encoded(palette_with_hole())]


@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=6), st.integers(0, 900))
def test_any_damage_ends_in_a_picture_or_a_reason(data: bytes, edits: list[tuple[int, int]], cut: int) -> None:
    damaged = bytearray(data)
    for place, value in edits:
        damaged[place % len(damaged)] = value
    with contextlib.suppress(Unusable):
        assert decode(bytes(damaged[: max(cut, 20)]), frame()).shape == (8, 8, 3)


@given(st.integers(4, 40), st.integers(4, 40), st.integers(4, 40), st.sampled_from(["crop", "pad", "stretch"]))
def test_any_shape_fits(width: int, height: int, size: int, fit: Fit) -> None:
    try:
        pixels = decode(encoded(plain("RGB", RED, (width, height))), frame(size, fit, RED))
    except Unusable:
        assert min(width, height) * 8 < size
    else:
        assert (pixels == RED).all()
        assert pixels.shape == (size, size, 3)


def test_only_equal_channels_are_grey() -> None:
    grey = np.repeat(np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1), 3, axis=3)
    tinted = grey.copy()
    tinted[0, 0, 0, 2] ^= 1
    for pictures, channels, expected in (
        (grey, "auto", grey[..., :1]),
        (tinted, "auto", tinted),
        (tinted, "grey", grey[..., :1]),
        (grey[..., :1], "rgb", grey),
    ):
        assert np.array_equal(with_channels(pictures, DataRequest(channels=channels)), expected)  # type: ignore[arg-type]


@given(st.text("a./\\:~Z ", max_size=12))
def test_no_name_leads_out_of_an_archive(name: str) -> None:
    path = relative_name(name)
    if path is not None:
        base = Path("/somewhere/inside")
        assert (base / path).resolve().is_relative_to(base)
        assert "\\" not in path
