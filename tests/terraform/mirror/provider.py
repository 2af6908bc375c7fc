"""A Terraform provider that knows a schema and nothing else: no call of any API is ever made.

    SCHEMA=aws.json python provider.py        (as terraform starts its plugins)

So `init`, `validate`, `plan` and `test` of the real terraform run offline, against every argument
that the real provider has. What only AWS knows is unknown in a plan, except for the few data
sources below. Runs in the environment of requirements/terraform.txt.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
import threading
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import msgpack
from tf.gen import grpc_controller_pb2 as control
from tf.gen import grpc_controller_pb2_grpc as control_rpc
from tf.gen import grpc_stdio_pb2_grpc as stdio_rpc
from tf.gen import tfplugin_pb2 as pb
from tf.gen import tfplugin_pb2_grpc as plugin_rpc
from tf.runner import _self_signed_cert

Json = dict[str, Any]
UNKNOWN = msgpack.ExtType(0, b"\x00")
# What a plan of ours looks at of what AWS would answer.
ANSWERS: dict[str, Json] = {
    "aws_caller_identity": {"account_id": "123456789012", "id": "123456789012"},
    "aws_partition": {"partition": "aws", "dns_suffix": "amazonaws.com", "id": "aws"},
    "aws_availability_zones": {"names": ["eu-central-1a", "eu-central-1b"], "id": "zones"},
    "archive_file": {"output_base64sha256": "c2NoZW1h", "output_size": 1, "id": "zip"},
}  # fmt: skip


def message(block: Json) -> pb.Schema.Block:
    made = pb.Schema.Block(version=0)
    for name, one in block.get("attributes", {}).items():
        made.attributes.add(
            name=name, type=json.dumps(one["type"]).encode(),
            required=one["required"], optional=one["optional"], computed=one["computed"],
        )  # fmt: skip
    modes = pb.Schema.NestedBlock.NestingMode
    for name, one in block.get("blocks", {}).items():
        made.block_types.add(
            type_name=name,
            nesting=modes.SINGLE if one["single"] else modes.LIST,
            min_items=1 if one["required"] else 0,
            max_items=0 if one["many"] or one["single"] else 1,
            block=message(one),
        )
    return made


def decoded(value: pb.DynamicValue) -> Any:
    if value.msgpack:
        return msgpack.unpackb(value.msgpack, ext_hook=msgpack.ExtType, strict_map_key=False)
    return json.loads(value.json or b"null")


def encoded(value: Any) -> pb.DynamicValue:
    return pb.DynamicValue(msgpack=msgpack.packb(value))


def planned(block: Json, value: Json) -> Json:
    """`value`, unknown where only AWS can say it."""
    for name, one in block["attributes"].items():
        if one["computed"] and value.get(name) is None:
            value[name] = UNKNOWN
    for name, one in block["blocks"].items():
        inside = value.get(name)
        for each in inside if isinstance(inside, list) else [inside]:
            if isinstance(each, dict):
                planned(one, each)
    return value


def settled(value: Any) -> Any:
    """Without anything unknown, as after an apply."""
    if isinstance(value, dict):
        return {name: settled(one) for name, one in value.items()}
    if isinstance(value, list):
        return [settled(one) for one in value]
    return None if isinstance(value, msgpack.ExtType) else value


class Provider(plugin_rpc.ProviderServicer):  # type: ignore[misc]
    """Answers of protocol 6; the names of its methods are the protocol's."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.schema = pb.GetProviderSchema.Response()
        self.schema.provider.block.CopyFrom(message(document["provider"]))
        for kind, schemas in (
            ("resources", self.schema.resource_schemas),
            ("data", self.schema.data_source_schemas),
        ):
            for name, block in document[kind].items():
                schemas[name].block.CopyFrom(message(block))

    def GetProviderSchema(self, request: Any, context: Any) -> Any:
        return self.schema

    def ValidateProviderConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request: Any, context: Any) -> Any:
        block = self.document["resources"][request.type_name]
        given = decoded(request.config)
        return pb.ValidateResourceConfig.Response(
            diagnostics=[
                pb.Diagnostic(severity=pb.Diagnostic.ERROR, summary=f"{name} is decided by AWS")
                for name, one in block["attributes"].items()
                if not one["required"] and not one["optional"] and given.get(name) is not None
            ]
        )

    def ValidateDataResourceConfig(self, request: Any, context: Any) -> Any:
        return pb.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, request: Any, context: Any) -> Any:
        return pb.ConfigureProvider.Response()

    def UpgradeResourceState(self, request: Any, context: Any) -> Any:
        return pb.UpgradeResourceState.Response(
            upgraded_state=encoded(json.loads(request.raw_state.json))
        )

    def ReadResource(self, request: Any, context: Any) -> Any:
        return pb.ReadResource.Response(new_state=request.current_state)

    def PlanResourceChange(self, request: Any, context: Any) -> Any:
        value = decoded(request.proposed_new_state)
        if value is not None and decoded(request.prior_state) is None:
            value = planned(self.document["resources"][request.type_name], value)
        # The provider of AWS is of the older kind, too: a plan may differ from what was asked.
        return pb.PlanResourceChange.Response(planned_state=encoded(value), legacy_type_system=True)

    def ApplyResourceChange(self, request: Any, context: Any) -> Any:
        value = settled(decoded(request.planned_state))
        return pb.ApplyResourceChange.Response(new_state=encoded(value), legacy_type_system=True)

    def ReadDataSource(self, request: Any, context: Any) -> Any:
        value = decoded(request.config)
        value.update(ANSWERS.get(request.type_name, {}))
        return pb.ReadDataSource.Response(state=encoded(value))

    def GetFunctions(self, request: Any, context: Any) -> Any:
        return pb.GetFunctions.Response()

    def StopProvider(self, request: Any, context: Any) -> Any:
        return pb.StopProvider.Response()


class Controller(control_rpc.GRPCControllerServicer):  # type: ignore[misc]
    def __init__(self, done: threading.Event) -> None:
        self.done = done

    def Shutdown(self, request: Any, context: Any) -> Any:
        self.done.set()
        return control.Empty()


class Output(stdio_rpc.GRPCStdioServicer):  # type: ignore[misc]
    def __init__(self, done: threading.Event) -> None:
        self.done = done

    def StreamStdio(self, request: Any, context: Any) -> Any:
        self.done.wait()
        return iter(())


def main() -> None:
    document = json.loads(Path(os.environ["SCHEMA"]).read_text())
    done = threading.Event()
    server = grpc.server(
        futures.ThreadPoolExecutor(16), options=[("grpc.max_send_message_length", -1)]
    )
    plugin_rpc.add_ProviderServicer_to_server(Provider(document), server)
    control_rpc.add_GRPCControllerServicer_to_server(Controller(done), server)
    stdio_rpc.add_GRPCStdioServicer_to_server(Output(done), server)
    with tempfile.TemporaryDirectory() as folder:
        chain, credentials = _self_signed_cert()
        socket = f"unix://{folder}/plugin"
        server.add_secure_port(socket, credentials)
        server.start()
        certificate = base64.b64encode(chain).decode().rstrip("=")
        # The handshake of go-plugin: its version, the protocol's, where, and by which certificate.
        sys.stdout.write(f"1|6|unix|{folder}/plugin|grpc|{certificate}\n")
        sys.stdout.flush()
        done.wait()
        server.stop(0.2).wait(1)


if __name__ == "__main__":
    main()
