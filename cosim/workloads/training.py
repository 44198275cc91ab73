"""Where PyTorch computes, for every training (extra `train`)."""

import torch

from cosim.files.errors import UserError

__all__ = ["DeviceError", "device_named", "fast_products"]


class DeviceError(UserError, ValueError):
    """PyTorch cannot compute where it should; the message says why."""


def device_named(name: str | None = None) -> torch.device:
    """The device of that name, or an accelerator if there is one, tried out.

    Raises
    ------
    DeviceError
    """
    name = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).add(1).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # whatever PyTorch has for it
        reason = str(error).partition("\n")[0]
        raise DeviceError(f"PyTorch cannot use the device {name!r} ({reason}); try cpu") from None
    return device


def fast_products(device: torch.device) -> torch.autocast:
    """Products in bfloat16 where an accelerator makes them: its rounding, 1/256, is that of the chip's codes.

    Not on processors, most of which take many times as long for them as in float32.
    """
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type != "cpu")
