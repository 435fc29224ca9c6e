"""Which numbers a network multiplies; what goes in and what comes out stays float32."""

from typing import Literal

Precision = Literal["float32", "tensorfloat32", "bfloat16"]
"""`float32` is exact on every device; by themselves TPUs and recent GPUs round what they multiply.
`tensorfloat32` lets them, where they have such units (GPUs: 10 bits; TPUs: three passes of 8 bits).
`bfloat16` (8 bits) also halves the memory of maps and parameters."""
FULL: Precision = "float32"
