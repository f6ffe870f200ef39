"""The mathematics of attention heads: functions from tensors to tensors."""
