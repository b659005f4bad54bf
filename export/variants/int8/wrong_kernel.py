"""Layers that OpenVINO computes wrongly in int8, which therefore stay unquantised.

A ConvolutionBackpropData of signed int8 inputs, whose kernel is no multiple of its stride and whose input is smaller than the
⌈kernel/stride⌉ taps of a phase (3×3 with stride 2 on a single pixel; 5×5 on 2×2), is wrong by more than its own size in
oneDNN's brgconv kernels without AMX (OpenVINO 2026.4: brgconv_avx512_i8, brgconv_avx2_i8). Unsigned inputs, multiples and
larger inputs are exact, so is every case with AMX; the layer alone suffices, no fused operation takes part. (Only signed
inputs carry a compensation for being shifted into unsigned ones: likely its share at taps that fall off the input is wrong.)
An exporter with AMX does not see it, the machine where the pictures are drawn may: so the rule asks for the shape.

It made a WGAN (3×3 stride 2 on the latent) 7 dB with NNCF alone; there the first layer as a matrix product avoids it as well.
tests/export/test_int8_rounding.py shows the fault on any processor, by ONEDNN_MAX_CPU_ISA.
"""

from export.variants.int8.layers import QuantisedLayer, constant_value


def wrongly_computed(layer: QuantisedLayer) -> bool:
    node = layer.node
    if node.get_type_name() != "ConvolutionBackpropData":
        return False
    signed = any(float(constant_value(quantiser.input_value(1).get_node()).min()) < 0 for quantiser in layer.quantisers)
    strides, kernel = node.get_attributes()["strides"], node.get_input_partial_shape(1)[-2:]
    sizes = node.get_input_partial_shape(0)[-2:]
    return signed and any(
        k.get_length() % s != 0 and (size.is_dynamic or size.get_length() < -(-k.get_length() // s))
        for k, s, size in zip(kernel, strides, sizes, strict=True)
    )
