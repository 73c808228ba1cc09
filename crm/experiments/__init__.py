"""Experiments: which arm a conversation is in, how the arms compare, and when one does harm."""

from crm.experiments.arms import ArmSpec
from crm.experiments.running import (
    Arm,
    ExperimentRefused,
    arm_of,
    find_experiment,
    start_experiment,
    stop_experiment,
)

__all__ = [
    "Arm",
    "ArmSpec",
    "ExperimentRefused",
    "arm_of",
    "find_experiment",
    "start_experiment",
    "stop_experiment",
]
