"""The same model behind Ray Serve, as its documentation has it. Usage: MODEL PORT"""

import io
import sys
import time

import numpy as np
import onnxruntime
import ray
from PIL import Image
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(num_replicas=1, max_ongoing_requests=256, ray_actor_options={"num_cpus": 1})
class Pictures:
    def __init__(self, model: str) -> None:
        self.session = onnxruntime.InferenceSession(model)
        self.size = self.session.get_inputs()[0].shape[1]

    @serve.batch(max_batch_size=64, batch_wait_timeout_s=0.002)
    async def draw(self, seeds: list[int]) -> list[bytes]:
        z = np.stack([np.random.RandomState(seed).standard_normal(self.size) for seed in seeds]).astype(np.float32)
        files = []
        for picture in self.session.run(["images"], {"z": z})[0]:
            buffer = io.BytesIO()
            Image.fromarray(picture.squeeze()).save(buffer, "PNG")
            files.append(buffer.getvalue())
        return files

    async def __call__(self, request: Request) -> Response:
        return Response(await self.draw((await request.json())["seed"]), media_type="image/png")


if __name__ == "__main__":
    ray.init(include_dashboard=False, log_to_driver=False, num_cpus=2)
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[2])})
    serve.run(Pictures.bind(sys.argv[1]))  # type: ignore[attr-defined]
    while True:
        time.sleep(60)
