"""Twins: trained and kept, opened and checked, and lined up with their owner."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from auditkit.core.errors import CalibrationError, FingerprintError, OwnerLoadError, SamplesError
from auditkit.core.models import ReferenceKind
from auditkit.core.points import CONTROL, CORE, DISPUTED, NATURAL
from auditkit.core.requests import Asking, Options, Order, TwinPlan
from auditkit.core.verdicts import Decision
from auditkit.files import bundle as bundles
from auditkit.fingerprints import twins as opening
from auditkit.fingerprints.making import make_fingerprint
from auditkit.owner.lineup import joint_points, mixtures, most_disputed, undisputed
from auditkit.owner.training.saving import onnx
from auditkit.owner.training.twins import make_twins
from auditkit.suspects.examiner import examine
from tests.owner.nets import Net, trained, twin  # noqa: F401 - `twin` is called by its name

pytestmark = pytest.mark.torch
