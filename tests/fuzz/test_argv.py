"""Words on the command line."""

from pathlib import Path

from hypothesis import strategies as st

from gansample.cli.option_table import OPTIONS
from tests.fuzz.explore import Explore
from tests.fuzz.programs import Programs

NUMBERS = ["-1", "0", "1", "3", "4294967295", "4294967296", "1e3", "0.5", "1e999", "nan", "inf", "", "²", "٣", "-", "9" * 5000]
WORDS = ["", ".", "/dev/null", "absent", "a\x1b[31mb", "\udcff", "x" * 300, "0,1", "1+2", "3-1", "2x2", "bee", "exact", "*"]
OUTS = ["out.png", "out.tar", "out.npz", "out.gif", "folder", "absent/out.png", "out", ".png", "-", "", "x" * 300 + ".png"]

text = st.one_of(st.sampled_from([*NUMBERS, *WORDS]), st.text(alphabet=st.characters(exclude_characters="\0"), max_size=12))
value = st.sampled_from([each for each in OPTIONS if each.kind is not bool]).flatmap(
    lambda each: st.tuples(st.just(each.flag), st.one_of(text, st.sampled_from(each.choices or ("1",))))
)
flag = st.sampled_from([(each.flag,) for each in OPTIONS if each.kind is bool and each.flag not in ("--ray", "--debug")])
out = st.sampled_from([(name,) for name in OUTS])
commands = st.lists(st.one_of(value, flag, out), max_size=6).map(lambda parts: [word for part in parts for word in part])


def test_gansample_arguments(fuzz: Explore, programs: Programs, tiny_classes_bundle: Path, tmp_path: Path) -> None:
    def check(words: list[str]) -> None:
        programs("gansample", "--bundle", tiny_classes_bundle, "--n", "3", *words, cwd=tmp_path)

    fuzz(check, commands)
