"""Attention kernels: what each can compute, and the table that `packed_attention` chooses from."""

from .table import KERNELS, Kernel, choose, kernel_report

__all__ = ["KERNELS", "Kernel", "choose", "kernel_report"]
