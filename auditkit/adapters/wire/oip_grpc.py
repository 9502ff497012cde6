"""The Open Inference Protocol v2 over gRPC, with messages described here: no generated code."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import grpc
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import NDArray

from auditkit.adapters.wire.addresses import resolved
from auditkit.adapters.wire.secrets import Secrets
from auditkit.adapters.wire.tensors import DTYPES, Served, Tensor, tensor
from auditkit.core.errors import BatchError, QueryError, SuspectLoadError, TransientError
from auditkit.core.requests import Reach

PACKAGE = "inference"
FIELD = descriptor_pb2.FieldDescriptorProto
KINDS = {
    "bool": FIELD.TYPE_BOOL,
    "bytes": FIELD.TYPE_BYTES,
    "double": FIELD.TYPE_DOUBLE,
    "float": FIELD.TYPE_FLOAT,
    "int32": FIELD.TYPE_INT32,
    "int64": FIELD.TYPE_INT64,
    "string": FIELD.TYPE_STRING,
    "uint32": FIELD.TYPE_UINT32,
    "uint64": FIELD.TYPE_UINT64,
}
MESSAGES = {
    "TensorMetadata": "1 name string, 2 datatype string, 3 shape int64*",
    "ModelMetadataRequest": "1 name string, 2 version string",
    "ModelMetadataResponse": "1 name string, 2 versions string*, 3 platform string, "
    "4 inputs TensorMetadata*, 5 outputs TensorMetadata*",
    "Contents": "2 int_contents int32*, 3 int64_contents int64*, 4 uint_contents uint32*, "
    "5 uint64_contents uint64*, 6 fp32_contents float*, 7 fp64_contents double*",
    "Tensor": "1 name string, 2 datatype string, 3 shape int64*, 5 contents Contents",
    "ModelInferRequest": "1 model_name string, 2 model_version string, 3 id string, "
    "5 inputs Tensor*, 7 raw_input_contents bytes*",
    "ModelInferResponse": "1 model_name string, 2 model_version string, 3 id string, "
    "5 outputs Tensor*, 6 raw_output_contents bytes*",
}
"""The fields that are used, by their numbers in the protocol; others are skipped when read."""
BUSY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED)  # fmt: skip
TOO_MUCH = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)
DENIED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)


class GrpcWire:
    """One model at `grpcs://host:port/NAME[/VERSION]`."""

    def __init__(self, url: str, reach: Reach) -> None:
        parts = urlsplit(url)
        self._name, _, self._version = parts.path.strip("/").partition("/")
        self._secrets, self._timeout = Secrets(), reach.timeout
        headers = self._secrets.headers(reach.headers)
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        if reach.proxy is not None:
            raise SuspectLoadError(
                "gRPC is not asked through a proxy; ask the model's REST address"
            )
        address = resolved(url, reach)
        options = [
            ("grpc.enable_http_proxy", 0),
            ("grpc.max_receive_message_length", reach.largest_reply),
            ("grpc.max_send_message_length", -1),
            ("grpc.default_authority", address.authority),
        ]
        if address.scheme == "grpc":
            self._channel = grpc.insecure_channel(address.pinned, options)
        else:
            options.append(("grpc.ssl_target_name_override", address.host))
            trusted = reach.authorities and reach.authorities.read_bytes()
            self._channel = grpc.secure_channel(
                address.pinned, grpc.ssl_channel_credentials(trusted), options
            )

    def described(self) -> Served:
        """See `Wire`."""
        found = self._call("ModelMetadata", name=self._name, version=self._version)
        inputs, outputs = (_tensors(listed) for listed in (found.inputs, found.outputs))
        return Served(inputs, outputs, ", ".join(found.versions[:5]), found.platform)

    def infer(self, asked: Tensor, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """See `Wire`."""
        data = np.ascontiguousarray(batch, DTYPES[asked.datatype])
        entry = MADE["Tensor"](name=asked.name, datatype=asked.datatype, shape=data.shape)
        found = self._call(
            "ModelInfer",
            model_name=self._name,
            model_version=self._version,
            id="1",
            inputs=[entry],
            raw_input_contents=[data.tobytes()],
        )
        raw = [*found.raw_output_contents, *[None] * len(found.outputs)]
        return {
            output.name: tensor(output.datatype, output.shape, _values(output) if r is None else r)
            for output, r in zip(found.outputs, raw, strict=False)
            if output.datatype in DTYPES
        }

    def _call(self, method: str, **fields: Any) -> Any:
        ask = self._channel.unary_unary(
            f"/{PACKAGE}.GRPCInferenceService/{method}",
            request_serializer=MADE[f"{method}Request"].SerializeToString,
            response_deserializer=MADE[f"{method}Response"].FromString,
        )
        request = MADE[f"{method}Request"](**fields)
        try:
            return ask(request, timeout=self._timeout, metadata=self._metadata)
        except grpc.RpcError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: Any) -> QueryError:
        code = error.code()
        line = f"answers {code.name}: {self.hide(' '.join(str(error.details()).split()))[:160]}"
        if code in DENIED:
            return QueryError(
                f"{line}; give a token: --header 'authorization: Bearer ${{NAME}}', with NAME set "
                "in the environment"
            )
        if code in BUSY:
            return TransientError(line)
        return BatchError(line) if code in TOO_MUCH else QueryError(line)

    def hide(self, text: str) -> str:
        """See `Wire`."""
        return self._secrets.hide(text)

    def close(self) -> None:
        """See `Wire`."""
        self._channel.close()


def _tensors(listed: Iterable[Any]) -> tuple[Tensor, ...]:
    return tuple(Tensor(one.name, one.datatype, tuple(one.shape)) for one in listed)


def _values(output: Any) -> list[Any]:
    """The one typed list that is not empty."""
    return next((list(values) for _, values in output.contents.ListFields()), [])


def _made() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="oip.proto", package=PACKAGE, syntax="proto3")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split(", "):
            number, label, kind = field.split()
            repeated = FIELD.LABEL_REPEATED if kind.endswith("*") else FIELD.LABEL_OPTIONAL
            added = message.field.add(name=label, number=int(number), label=repeated)
            kind = kind.rstrip("*")
            if kind in KINDS:
                added.type = KINDS[kind]
            else:
                added.type, added.type_name = FIELD.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in MESSAGES
    }


MADE = _made()
