"""WebGPU on a software adapter: SwiftShader, the Vulkan driver in Debian's chromium. Slow, so a verb of its own.

`make test-webgpu` runs these.
"""

import ctypes
import os
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/lib/chromium")
DRIVER, LOADER = CHROMIUM / "vk_swiftshader_icd.json", CHROMIUM / "libvulkan.so.1"


@pytest.fixture(scope="session", autouse=True)
def software_adapter() -> None:
    """The environment that the plugin reads when it is loaded, for this process and those that it starts."""
    if not DRIVER.exists():
        reason = f"NOT RUN: there is no {DRIVER} (apt install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    os.environ["VK_ICD_FILENAMES"] = str(DRIVER)
    os.environ["ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER"] = "1"
    os.environ["LD_LIBRARY_PATH"] = f"{CHROMIUM}:{os.environ.get('LD_LIBRARY_PATH', '')}"  # of processes started from here
    ctypes.CDLL(str(LOADER), mode=ctypes.RTLD_GLOBAL)  # Chromium's, where the system has none of its own
