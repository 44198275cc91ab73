"""What goes wrong with a file of arrays that is damaged."""

import zipfile
import zlib
from tokenize import TokenError

__all__ = ["DAMAGE"]

#: What `numpy.load` raises on an npy or npz file of which bits are changed or missing. A flipped bit may make it look
#: encrypted or packed in some other way (RuntimeError), or leave a header that is no expression of Python.
DAMAGE = (
    *(OSError, EOFError, KeyError, ValueError, RuntimeError, SyntaxError, TokenError),
    *(zipfile.BadZipFile, zlib.error),
)
