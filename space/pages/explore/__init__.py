"""The first page: a model's heads as a grid."""
