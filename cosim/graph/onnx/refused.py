"""Why an operator cannot be mapped."""

from collections.abc import Mapping

__all__ = ["REASONS", "reason"]

_BRANCHES = "which nodes run would depend on the data; export the network without branches and loops, or unrolled"
_SEQUENCES = "lists of arrays are not read; export the network with arrays only"
_TEXT = "text is not read; make numbers of it before the network"
_RANDOM = "it draws random numbers; export the network for inference"
_INTEGERS = "networks in integer arithmetic are not read; export weights behind DequantizeLinear, or in float"
_TRAINING = "it trains; export the network for inference"
_IMAGES = "it chooses regions of images, which no host operator does; cut it off the network"
_SAMPLES = "it takes samples between places of images, which no host operator does; cut it off the network"
_SPECTRA = "spectra are complex; make them before the network"
_DATA = "the shape of its output depends on the data in ways that no host operator has; cut it off the network"

#: By operator of ONNX.
REASONS: Mapping[str, str] = {
    **dict.fromkeys(("If", "LinearAttention", "Loop", "Scan", "SequenceMap"), _BRANCHES),
    **dict.fromkeys(
        (
            "ConcatFromSequence",
            "Optional",
            "OptionalGetElement",
            "OptionalHasElement",
            "SequenceAt",
            "SequenceConstruct",
            "SequenceEmpty",
            "SequenceErase",
            "SequenceInsert",
            "SequenceLength",
            "SplitToSequence",
        ),
        _SEQUENCES,
    ),
    **dict.fromkeys(
        ("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"),
        _TEXT,
    ),
    **dict.fromkeys(
        ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"),
        _RANDOM,
    ),
    **dict.fromkeys(("ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"), _INTEGERS),
    **dict.fromkeys(("MaxRoiPool", "NonMaxSuppression", "RoiAlign"), _IMAGES),
    **dict.fromkeys(("AffineGrid", "DeformConv", "GridSample"), _SAMPLES),
    **dict.fromkeys(("DFT", "MelWeightMatrix", "STFT"), _SPECTRA),
    **dict.fromkeys(("ImageDecoder", "Unique"), _DATA),
}


def reason(domain: str, operator: str) -> str:
    """Why there is no translation of an operator."""
    if domain == "ai.onnx.preview.training":
        return _TRAINING
    if domain not in ("", "ai.onnx"):
        return f"operators of {domain} are not read; export the network with ONNX's own"
    return REASONS.get(operator, "no host operator does it; cut it off the network")
