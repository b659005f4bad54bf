"""The same model behind LitServe, as its documentation has it. Usage: MODEL PORT"""

import io
import sys
from typing import Any

import litserve
import numpy as np
import onnxruntime
from PIL import Image
from starlette.responses import Response


class Pictures(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.session = onnxruntime.InferenceSession(sys.argv[1])
        self.size = self.session.get_inputs()[0].shape[1]

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        return np.random.RandomState(request["seed"]).standard_normal(self.size).astype(np.float32)

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        return np.stack(inputs)

    def predict(self, batch: np.ndarray) -> Any:
        return self.session.run(["images"], {"z": batch})[0]

    def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
        return list(output)

    def encode_response(self, picture: np.ndarray) -> Response:
        buffer = io.BytesIO()
        Image.fromarray(picture.squeeze()).save(buffer, "PNG")
        return Response(buffer.getvalue(), media_type="image/png")


if __name__ == "__main__":
    api = Pictures(max_batch_size=64, batch_timeout=0.002)
    litserve.LitServer(api, accelerator="cpu", workers_per_device=1).run(
        port=int(sys.argv[2]), host="127.0.0.1", generate_client_file=False
    )
