"""How many generators are recognised right from their weights alone: the figure in docs/export.md.

    python -m benchmarks.recognised

Counts the synthetic generators of the tests whose pictures the reading draws, and writes benchmarks/results/recognised.json. No
time is measured, so the file is the same on every machine.
"""

import json
from pathlib import Path

import torch

from export.importers.choices import UndecidedError, check_decided
from export.importers.from_names.layers import check_generator, layers_of
from export.importers.from_names.recognise import recognise
from gansample.errors import ArtefactError
from gansample.system.atomic import write_atomic
from tests.support.untold_networks import UNTOLD, batch, settled

RESULT = Path(__file__).parent / "results" / "recognised.json"
STEP = 2 / 255  # of an 8-bit picture, in values of −1..1


@torch.no_grad()
def outcome(name: str) -> str:
    """What becomes of one generator: right, wrong (but graded as assumed), undecided or refused."""
    module, network = settled(name), UNTOLD[name]
    layers = layers_of(module.state_dict())
    try:
        check_generator(layers, name)
        found = recognise(layers, name)
        check_decided(found, "tanh", name)
    except UndecidedError:
        return "undecided"
    except ArtefactError:
        return "refused"
    z = batch(network, 16, seed=1000)
    theirs, ours = module(*z), found.network()(*z)
    same = theirs.numel() == ours.numel() and float((theirs.reshape(ours.shape) - ours).abs().max()) <= STEP
    return "right" if same and found.measured.distribution == network.distribution else "wrong"


def main() -> None:
    """Look at every generator and write the result."""
    outcomes = {name: outcome(name) for name in UNTOLD}
    write_atomic(RESULT, (json.dumps(outcomes, indent=2) + "\n").encode())
    print(f"{list(outcomes.values()).count('right')} of {len(outcomes)} are recognised right: {RESULT}")


if __name__ == "__main__":
    main()
