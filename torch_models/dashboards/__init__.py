"""What TensorBoard shows of a training: the run's logger, and the callback that fills its pages."""
