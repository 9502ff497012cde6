"""Outcomes -> a report on a stream or in a file."""

import io
import os
from collections import Counter
from pathlib import Path

from auditkit.bundle import Bundle, now
from auditkit.errors import AuditkitError
from auditkit.pipeline import versions
from auditkit.reports.base import BundleSummary, Renderer, Report
from auditkit.types import Outcome, ReferenceKind
