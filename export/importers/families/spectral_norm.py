"""Weights that were kept beside the vectors of their largest singular value, as a forward in eval mode takes them.

T. Miyato et al., *Spectral Normalization for Generative Adversarial Networks*, ICLR 2018 (arXiv:1802.05957): W / σ, σ = uᵀ W v.
PyTorch keeps W, u and v; in eval mode it takes u and v as they are.
"""

from collections.abc import Callable

from torch import Tensor

from export.importers.families.family import Tensors

# Names that PyTorch's two implementations give W, u and v, behind the module's own.
NAMES = (
    ("weight_orig", "weight_u", "weight_v"),
    ("parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"),
)


def folded(tensors: Tensors, transposed: Callable[[str], bool] = lambda path: False) -> dict[str, Tensor]:
    """The tensors with `weight` in the place of W, u and v.

    transposed  whether the module at a path is a transposed convolution, whose rows are its second axis.
    """
    found = dict(tensors)
    for original, left, right in NAMES:
        for name in [name for name in tensors if name.endswith(original)]:
            path = name.removesuffix(original)
            u, v = tensors.get(path + left), tensors.get(path + right)
            if u is None or v is None:
                continue
            rows = matrix(tensors[name].double(), 1 if transposed(path.removesuffix(".")) else 0)
            if rows.shape != (u.numel(), v.numel()):
                continue
            for gone in (original, left, right):
                del found[path + gone]
            found[f"{path}weight"] = (tensors[name].double() / (u.double() @ rows @ v.double())).float()
    return found


def matrix(weight: Tensor, axis: int = 0) -> Tensor:
    """A kernel as a matrix whose rows are its `axis`."""
    return weight.movedim(axis, 0).flatten(1)
