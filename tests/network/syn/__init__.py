"""Tests of the SYN stage."""

import pytest

pytest.importorskip("numpy", reason="the extra `syn` is not installed")
pytest.importorskip("pyroute2", reason="the extra `syn` is not installed")
