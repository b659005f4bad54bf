"""The seed contract: a seed's latent never changes, and seeds can be written and read back."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gansample.errors import UsageError
from gansample.latents import SEED_END, LatentSpace, latents, parse_seeds, slerp
from gansample.sampling.selection import Seeds

# SHA-256 of z(seed) with 64 components, as written by the first release. A change here changes everybody's pictures.
GOLDEN_LATENTS = {
    0: "2be66145cd363566d4957ff32e36bb948359fed7fe3f04f76b6ca5390d472d0d",
    1: "d7c439e42d4ac0a2c73d181d714f360fc1cc4cfc965e582d938624f48a340bee",
    42: "a1301d6b1dd7f835c859a02acd774b6c69de9021aa7e78785ac0b653069b6b94",
    65537: "9486c00c0a26fbef25d1efb8cd7e5606a66ed3db8023db196f0922785e90d422",
    4294967295: "f68367512717989ffb0d68d8bce2c2caff12cfa3827b9efc60ab47de97b8ceda",
}

seeds = st.integers(0, SEED_END - 1)


@pytest.mark.parametrize("seed", GOLDEN_LATENTS)
def test_latents_are_frozen(seed: int) -> None:
    assert hashlib.sha256(latents([seed], 64).tobytes()).hexdigest() == GOLDEN_LATENTS[seed]


def test_latent_is_the_documented_stream() -> None:
    assert np.array_equal(latents([7], 100)[0], np.random.RandomState(7).standard_normal(100).astype(np.float32))


@given(st.lists(seeds, min_size=1, max_size=5))
def test_latent_depends_on_its_seed_only(some: list[int]) -> None:
    together = latents(some, 8)
    assert all(np.array_equal(together[i], latents([seed], 8)[0]) for i, seed in enumerate(some))


@given(seeds, st.floats(0.05, 4))
def test_truncation_bounds_every_component_and_keeps_those_inside(seed: int, t: float) -> None:
    free, bounded = latents([seed], 16)[0], latents([seed], 16, truncation=t)[0]
    assert np.abs(bounded).max() <= np.float32(t)
    inside = np.abs(np.random.RandomState(seed).standard_normal(16)) <= t
    assert np.array_equal(free[inside], bounded[inside])


def test_uniform_latents_stay_within_one() -> None:
    z = latents(range(50), 20, "uniform")
    assert -1 <= z.min() < -0.9
    assert 0.9 < z.max() <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([-1], 4), "seed -1 is outside"),
        (([SEED_END], 4), "seed 4294967296 is outside"),
        (([0], 4, "cauchy"), "unknown latent distribution 'cauchy'"),
        (([0], 4, "normal", 0.0), "truncation is 0.0"),
        (([0], 4, "normal", 1e-300), "truncation is 1e-300: it must be at least 0.01"),
        (([0], 4, "normal", float("nan")), "truncation is nan"),
        (([0], 4, "uniform", 1.0), "uniform latents"),
    ],
)
def test_bad_requests_are_refused(arguments: tuple[object, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        latents(*arguments)  # type: ignore[arg-type]


@given(st.lists(seeds, min_size=1, max_size=20))
def test_seeds_survive_writing_and_reading(some: list[int]) -> None:
    text = ",".join(map(str, some))
    assert [seed for span in parse_seeds(text) for seed in span] == some
    assert Seeds(parse_seeds(text), LatentSpace(4)).options()["seeds"] == text


def test_seeds_are_written_short() -> None:
    assert Seeds(parse_seeds("0-2,40-41,7-7"), LatentSpace(4)).options() == {"seeds": "0-2,40-41,7"}


@pytest.mark.parametrize(
    "text", ["", "a", "1,", ",1", "1--2", "-1", "1-2-3", "1.5", "1 2", "²", "0x10", "5-3", "4294967296", "+1"]
)
def test_unreadable_seeds_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_seeds(text)


@given(st.text(max_size=12))
def test_any_text_is_seeds_or_a_usage_error(text: str) -> None:
    try:
        spans = parse_seeds(text)
    except UsageError:
        return
    assert all(0 <= span.start < span.stop <= SEED_END for span in spans)


def test_slerp_starts_and_ends_at_its_ends_and_keeps_the_length() -> None:
    a, b = latents([1, 2], 256)
    assert np.allclose(slerp(a, b, 0), a, atol=1e-6)
    assert np.allclose(slerp(a, b, 1), b, atol=1e-6)
    lengths = [float(np.linalg.norm(slerp(a, b, t))) for t in np.linspace(0, 1, 9)]
    assert min(lengths) > 0.95 * min(float(np.linalg.norm(a)), float(np.linalg.norm(b)))
    assert np.allclose(slerp(a, a, 0.5), a)
